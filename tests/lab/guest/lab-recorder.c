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
#include "lab-card.h"

#define READ_MS 10
#define BUFFER_MS 2000

/* The player may be in the middle of setting the card up: asks until the two
 * sides agree. */
static snd_pcm_t *open_capture(struct params *params)
{
	int error = 0;
	for (int tries = 0; tries < 500; tries++) {
		read_near_params(NEAR_PLAYBACK, params);
		snd_pcm_t *pcm = try_capture(params, READ_MS, BUFFER_MS, &error);
		if (pcm)
			return pcm;
		usleep(1000);
	}
	fail("capture setup", error);
}

static void write_frames(FILE *out, const uint8_t *raw, size_t frames, size_t chunk,
	const struct params *params)
{
	size_t width = width_of(params);
	for (size_t i = 0; i < frames; i++) {
		for (size_t c = 0; c < params->channels; c++) {
			const uint8_t *at = raw + place_of(params, chunk, i, c) * width;
			float value = sample(at, params->format);
			if (fwrite(&value, sizeof value, 1, out) != 1)
				fail("write", -errno);
		}
	}
}

/* Records until SIGINT or until the player sets the card up; returns the number
 * of frames. */
static uint64_t record_segment(struct params *params, uint64_t first, FILE *sound, FILE *log)
{
	snd_pcm_t *pcm = open_capture(params);
	snd_pcm_uframes_t chunk = params->rate * READ_MS / 1000;
	uint8_t *raw = malloc(chunk * width_of(params) * params->channels);
	uint64_t frames = 0;

	log_segment(log, first, params);
	while (!stopping) {
		snd_pcm_sframes_t n = read_frames(pcm, raw, chunk, params);
		if (n == -EPIPE)
			give_up("overrun");
		/* The driver stops a capture when the player sets the card up. */
		if (n < 0)
			break;
		write_frames(sound, raw, n, chunk, params);
		frames += n;
		snd_pcm_sframes_t waiting = snd_pcm_avail(pcm);
		if (waiting >= 0)
			log_clock(log, first + frames + waiting);
	}
	free(raw);
	snd_pcm_close(pcm);
	return frames;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: lab-recorder BASE\n");
		return 64;
	}
	begin();
	FILE *sound = open_file(argv[1], ".f32", "w"), *log = open_file(argv[1], ".csv", "w");
	free_player_of_our_format();
	struct params params = usual_params;
	puts("recording");
	fflush(stdout);
	uint64_t frames = 0;
	while (!stopping)
		frames += record_segment(&params, frames, sound, log);
	finish(sound);
	finish(log);
	return 0;
}
