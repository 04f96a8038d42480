"""The lab: a virtual Raspberry Pi and virtual phones to try dotd on."""
