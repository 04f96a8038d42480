/*
 * The far side of the virtual sound card (snd-aloop): what lab-recorder and
 * lab-microphone have in common. To be included before everything else.
 *
 * The driver passes frames on only between two sides that are set up alike,
 * down to whether their channels are interleaved, so the far side always does
 * as the near side, which is the player's or capturer's under test.
 */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CARD "hw:Loopback"
#define FAR_SIDE "hw:Loopback,1,0"
#define NEAR_PLAYBACK "/proc/asound/Loopback/pcm0p/sub0/hw_params"
#define NEAR_CAPTURE "/proc/asound/Loopback/pcm0c/sub0/hw_params"

struct params {
	snd_pcm_format_t format;
	unsigned rate;
	unsigned channels;
	int planar;
};

/* PipeWire's choice on this card: what holds while the near side is closed. */
static const struct params usual_params = { SND_PCM_FORMAT_S32_LE, 48000, 2, 1 };

static volatile sig_atomic_t stopping;

static inline void stop(int signal)
{
	(void)signal;
	stopping = 1;
}

__attribute__((noreturn)) static inline void fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, snd_strerror(error));
	exit(1);
}

/* The card's own trouble, for which no speaker can be blamed. */
__attribute__((noreturn)) static inline void give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(3);
}

static inline int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Goes on until SIGINT, ahead of everything that is not real-time. */
static inline void begin(void)
{
	struct sigaction action = { .sa_handler = stop };
	sigaction(SIGINT, &action, NULL);
	struct sched_param priority = { .sched_priority = 10 };
	if (sched_setscheduler(0, SCHED_FIFO, &priority) < 0)
		fail("real-time priority", -errno);
}

/* Lets the player choose any format while a capture of ours is open. */
static inline void free_player_of_our_format(void)
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

/* What the near side has set up, as its file under /proc says; leaves the
 * parameters alone while it is closed. */
static inline void read_near_params(const char *path, struct params *params)
{
	FILE *file = fopen(path, "r");
	if (!file)
		fail(path, -errno);
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

/* Opens the far side, or returns NULL where the driver does not have it so. */
static inline snd_pcm_t *open_far_side(snd_pcm_stream_t stream, const struct params *params,
	unsigned period_ms, unsigned buffer_ms, int *error)
{
	snd_pcm_t *pcm;
	if ((*error = snd_pcm_open(&pcm, FAR_SIDE, stream, 0)) < 0)
		return NULL;
	snd_pcm_hw_params_t *hw;
	snd_pcm_hw_params_alloca(&hw);
	snd_pcm_hw_params_any(pcm, hw);
	snd_pcm_uframes_t buffer = (uint64_t)params->rate * buffer_ms / 1000;
	snd_pcm_uframes_t period = params->rate * period_ms / 1000;
	snd_pcm_access_t access = params->planar ? SND_PCM_ACCESS_RW_NONINTERLEAVED
		: SND_PCM_ACCESS_RW_INTERLEAVED;
	if ((*error = snd_pcm_hw_params_set_access(pcm, hw, access)) < 0
	    || (*error = snd_pcm_hw_params_set_format(pcm, hw, params->format)) < 0
	    || (*error = snd_pcm_hw_params_set_channels(pcm, hw, params->channels)) < 0
	    || (*error = snd_pcm_hw_params_set_rate(pcm, hw, params->rate, 0)) < 0
	    || (*error = snd_pcm_hw_params_set_period_size_near(pcm, hw, &period, NULL)) < 0
	    || (*error = snd_pcm_hw_params_set_buffer_size_near(pcm, hw, &buffer)) < 0
	    || (*error = snd_pcm_hw_params(pcm, hw)) < 0) {
		snd_pcm_close(pcm);
		return NULL;
	}
	return pcm;
}

/* Opens and starts a capture of what the player plays, likewise. */
static inline snd_pcm_t *try_capture(const struct params *params, unsigned period_ms,
	unsigned buffer_ms, int *error)
{
	snd_pcm_t *pcm =
		open_far_side(SND_PCM_STREAM_CAPTURE, params, period_ms, buffer_ms, error);
	if (pcm && (*error = snd_pcm_start(pcm)) < 0) {
		snd_pcm_close(pcm);
		return NULL;
	}
	return pcm;
}

/* Bytes of one sample. */
static inline size_t width_of(const struct params *params)
{
	return snd_pcm_format_physical_width(params->format) / 8;
}

/* Which of a chunk's samples it is; planar channels lie one chunk apart. */
static inline size_t place_of(const struct params *params, size_t chunk, size_t frame,
	size_t channel)
{
	return params->planar ? channel * chunk + frame : frame * params->channels + channel;
}

static inline float sample(const uint8_t *at, snd_pcm_format_t format)
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
		fprintf(stderr, "%s: cannot read %s\n", program_invocation_short_name,
			snd_pcm_format_name(format));
		exit(1);
	}
}

/* Reads up to a chunk. */
static inline snd_pcm_sframes_t read_frames(snd_pcm_t *pcm, uint8_t *raw, size_t chunk,
	const struct params *params)
{
	if (!params->planar)
		return snd_pcm_readi(pcm, raw, chunk);
	size_t width = width_of(params);
	void *planes[params->channels];
	for (size_t c = 0; c < params->channels; c++)
		planes[c] = raw + place_of(params, chunk, 0, c) * width;
	return snd_pcm_readn(pcm, planes, chunk);
}

static inline FILE *open_file(const char *base, const char *suffix, const char *mode)
{
	char path[512];
	snprintf(path, sizeof path, "%s%s", base, suffix);
	FILE *file = fopen(path, mode);
	if (!file)
		fail(path, -errno);
	return file;
}

/* The host reads the file as soon as we have ended. */
static inline void finish(FILE *file)
{
	if (fflush(file) != 0 || fsync(fileno(file)) != 0 || fclose(file) != 0)
		fail("write", -errno);
}

/* The lines of BASE.csv. */
static inline void log_segment(FILE *log, uint64_t first, const struct params *params)
{
	fprintf(log, "segment,%llu,%u,%u,%s\n", (unsigned long long)first, params->rate,
		params->channels, snd_pcm_format_name(params->format));
}

static inline void log_clock(FILE *log, uint64_t frame)
{
	fprintf(log, "clock,%llu,%lld\n", (unsigned long long)frame, (long long)now_ns());
}
