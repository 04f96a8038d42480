/*
 * lab-recorder: writes down exactly what the virtual Pi plays, and when.
 *
 *   lab-recorder BASE
 *
 * Captures the far side of the sound card (hw:Loopback,1,0) in the format the
 * player chose, until SIGINT. BASE.f32 receives the frames as 32-bit floats;
 * BASE.csv says how to read them:
 *   segment,FIRST_FRAME,RATE,CHANNELS,FORMAT   a (new) format from here on
 *   clock,FRAME,NANOSECONDS                    FRAME frames had been played by
 *                                              then on CLOCK_MONOTONIC
 *
 * Invariant: no resampling, no gap within a segment. A lost frame (overrun)
 * ends the program with status 3. The player may open, close and change formats
 * as it likes: "PCM Notify" keeps the capture side from constraining it, and a
 * new segment begins where the driver stops the capture for it, which is before
 * the player's first frame. While nothing plays, silence is recorded.
 */
#include <alsa/asoundlib.h>
#include <errno.h>
#include <signal.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CARD "hw:Loopback"
#define CAPTURE "hw:Loopback,1,0"
#define PLAYER_PARAMS "/proc/asound/Loopback/pcm0p/sub0/hw_params"
#define READ_MS 10
#define BUFFER_MS 2000

struct params {
	snd_pcm_format_t format;
	unsigned rate;
	unsigned channels;
	int planar;
};

static volatile sig_atomic_t stopping;

static void stop(int signal)
{
	(void)signal;
	stopping = 1;
}

static void fail(const char *what, int error)
{
	fprintf(stderr, "lab-recorder: %s: %s\n", what, snd_strerror(error));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Lets the player choose any format while a capture is open. */
static void free_player_of_our_format(void)
{
	snd_ctl_t *card;
	int error = snd_ctl_open(&card, CARD, 0);
	if (error < 0)
		fail(CARD, error);
	snd_ctl_elem_value_t *value;
	snd_ctl_elem_value_alloca(&value);
	snd_ctl_elem_value_set_interface(value, SND_CTL_ELEM_IFACE_PCM);
	snd_ctl_elem_value_set_name(value, "PCM Notify");
	/* The driver files the player's settings under the capture side. */
	snd_ctl_elem_value_set_device(value, 1);
	snd_ctl_elem_value_set_subdevice(value, 0);
	snd_ctl_elem_value_set_boolean(value, 0, 1);
	if ((error = snd_ctl_elem_write(card, value)) < 0)
		fail("PCM Notify", error);
	snd_ctl_close(card);
}

/* What the player has set up; leaves the parameters alone while it has the
 * card closed. */
static void read_player_params(struct params *params)
{
	FILE *file = fopen(PLAYER_PARAMS, "r");
	if (!file)
		fail(PLAYER_PARAMS, -errno);
	char line[128], word[32];
	while (fgets(line, sizeof line, file)) {
		if (sscanf(line, "format: %31s", word) == 1)
			params->format = snd_pcm_format_value(word);
		if (sscanf(line, "access: %31s", word) == 1)
			params->planar = strstr(word, "NONINTERLEAVED") != NULL;
		sscanf(line, "channels: %u", &params->channels);
		sscanf(line, "rate: %u", &params->rate);
	}
	fclose(file);
}

/* Opens and starts a capture, or returns NULL where the driver does not have it:
 * it wants both sides alike, down to whether the channels are interleaved. */
static snd_pcm_t *try_capture(const struct params *params, int *error)
{
	snd_pcm_t *pcm;
	if ((*error = snd_pcm_open(&pcm, CAPTURE, SND_PCM_STREAM_CAPTURE, 0)) < 0)
		return NULL;
	snd_pcm_hw_params_t *hw;
	snd_pcm_hw_params_alloca(&hw);
	snd_pcm_hw_params_any(pcm, hw);
	snd_pcm_uframes_t buffer = (uint64_t)params->rate * BUFFER_MS / 1000;
	snd_pcm_uframes_t period = params->rate * READ_MS / 1000;
	snd_pcm_access_t access = params->planar ? SND_PCM_ACCESS_RW_NONINTERLEAVED
		: SND_PCM_ACCESS_RW_INTERLEAVED;
	if ((*error = snd_pcm_hw_params_set_access(pcm, hw, access)) < 0
	    || (*error = snd_pcm_hw_params_set_format(pcm, hw, params->format)) < 0
	    || (*error = snd_pcm_hw_params_set_channels(pcm, hw, params->channels)) < 0
	    || (*error = snd_pcm_hw_params_set_rate(pcm, hw, params->rate, 0)) < 0
	    || (*error = snd_pcm_hw_params_set_period_size_near(pcm, hw, &period, NULL)) < 0
	    || (*error = snd_pcm_hw_params_set_buffer_size_near(pcm, hw, &buffer)) < 0
	    || (*error = snd_pcm_hw_params(pcm, hw)) < 0
	    || (*error = snd_pcm_start(pcm)) < 0) {
		snd_pcm_close(pcm);
		return NULL;
	}
	return pcm;
}

/* The player may be in the middle of setting the card up: asks until the two
 * sides agree. */
static snd_pcm_t *open_capture(struct params *params)
{
	int error = 0;
	for (int tries = 0; tries < 500; tries++) {
		read_player_params(params);
		snd_pcm_t *pcm = try_capture(params, &error);
		if (pcm)
			return pcm;
		usleep(1000);
	}
	fail("capture setup", error);
	return NULL;
}

static float sample(const uint8_t *at, snd_pcm_format_t format)
{
	switch (format) {
	case SND_PCM_FORMAT_S16_LE:
		return (int16_t)(at[0] | at[1] << 8) / 32768.0f;
	case SND_PCM_FORMAT_S24_3LE:
		return (int32_t)((uint32_t)at[0] << 8 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 24)
			/ 2147483648.0f;
	case SND_PCM_FORMAT_S24_LE:
		return (int32_t)(*(const uint32_t *)at << 8) / 2147483648.0f;
	case SND_PCM_FORMAT_S32_LE:
		return *(const int32_t *)at / 2147483648.0f;
	case SND_PCM_FORMAT_FLOAT_LE:
		return *(const float *)at;
	default:
		fprintf(stderr, "lab-recorder: cannot read %s\n", snd_pcm_format_name(format));
		exit(1);
	}
}

static void write_frames(FILE *out, const uint8_t *raw, size_t frames, size_t chunk,
	const struct params *params)
{
	size_t width = snd_pcm_format_physical_width(params->format) / 8;
	for (size_t i = 0; i < frames; i++) {
		for (size_t c = 0; c < params->channels; c++) {
			size_t at = params->planar ? c * chunk + i : i * params->channels + c;
			float value = sample(raw + at * width, params->format);
			if (fwrite(&value, sizeof value, 1, out) != 1)
				fail("write", -errno);
		}
	}
}

/* Reads up to a chunk; planar channels lie one chunk apart. */
static snd_pcm_sframes_t read_frames(snd_pcm_t *pcm, uint8_t *raw, size_t chunk,
	const struct params *params)
{
	if (!params->planar)
		return snd_pcm_readi(pcm, raw, chunk);
	size_t width = snd_pcm_format_physical_width(params->format) / 8;
	void *planes[params->channels];
	for (size_t c = 0; c < params->channels; c++)
		planes[c] = raw + c * chunk * width;
	return snd_pcm_readn(pcm, planes, chunk);
}

/* Records until SIGINT or until the player sets the card up; returns the number
 * of frames. */
static uint64_t record_segment(struct params *params, uint64_t first, FILE *sound, FILE *log)
{
	snd_pcm_t *pcm = open_capture(params);
	size_t width = snd_pcm_format_physical_width(params->format) / 8;
	snd_pcm_uframes_t chunk = params->rate * READ_MS / 1000;
	uint8_t *raw = malloc(chunk * width * params->channels);
	uint64_t frames = 0;

	fprintf(log, "segment,%llu,%u,%u,%s\n", (unsigned long long)first, params->rate,
		params->channels, snd_pcm_format_name(params->format));
	while (!stopping) {
		snd_pcm_sframes_t n = read_frames(pcm, raw, chunk, params);
		if (n < 0) {
			if (n == -EPIPE) {
				fprintf(stderr, "lab-recorder: overrun: %s\n", snd_strerror(n));
				exit(3);
			}
			/* The driver stops a capture when the player sets the card up. */
			break;
		}
		write_frames(sound, raw, n, chunk, params);
		frames += n;
		snd_pcm_sframes_t waiting = snd_pcm_avail(pcm);
		if (waiting >= 0)
			fprintf(log, "clock,%llu,%lld\n",
				(unsigned long long)(first + frames + waiting), (long long)now_ns());
	}
	free(raw);
	snd_pcm_close(pcm);
	return frames;
}

static FILE *create(const char *base, const char *suffix)
{
	char path[512];
	snprintf(path, sizeof path, "%s%s", base, suffix);
	FILE *file = fopen(path, "w");
	if (!file)
		fail(path, -errno);
	return file;
}

static void finish(FILE *file)
{
	if (fflush(file) != 0 || fsync(fileno(file)) != 0 || fclose(file) != 0)
		fail("write", -errno);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: lab-recorder BASE\n");
		return 64;
	}
	struct sigaction action = { .sa_handler = stop };
	sigaction(SIGINT, &action, NULL);
	struct sched_param priority = { .sched_priority = 10 };
	if (sched_setscheduler(0, SCHED_FIFO, &priority) < 0)
		fail("real-time priority", -errno);

	FILE *sound = create(argv[1], ".f32"), *log = create(argv[1], ".csv");
	free_player_of_our_format();
	/* PipeWire's choice on this card, in case nothing has played yet. */
	struct params params = { SND_PCM_FORMAT_S32_LE, 48000, 2, 1 };
	puts("recording");
	fflush(stdout);
	uint64_t frames = 0;
	while (!stopping)
		frames += record_segment(&params, frames, sound, log);
	finish(sound);
	finish(log);
	return 0;
}
