/*
 * lab-microphone: what the virtual Pi's microphone hears, and when.
 *
 *   lab-microphone BASE once|loop [GAIN DELAY_MS]
 *
 * Plays BASE.f32 (32-bit floats, 2 channels, 48 kHz) into the far side of the
 * sound card (hw:Loopback,1,0), where the near side's capture finds it, until
 * SIGINT: once and silence from then on, or again and again. With GAIN and
 * DELAY_MS there is a room: what the speaker plays comes back to the microphone
 * so loud (a factor) and so late; it then has the recorder's place at the card.
 * BASE.csv receives what lab-recorder's has, about BASE.f32: when the microphone
 * heard which frame.
 *
 * Invariant: no resampling, no gap; frames sound at the pace of the card. They are
 * written long before they are heard, and anew when they turn out to have an echo,
 * so the machine may stop for almost as long as the echo takes. A gap, or an echo
 * that came after its time, ends the program with status 3. The capturer may open
 * and close the card as it likes, and gets the microphone's format: its own, if it
 * was there first.
 */
#include "lab-card.h"

#define RATE 48000
#define CHANNELS 2
#define CHUNK_MS 5
#define BUFFER_MS 250
/* How far ahead of the card frames are written. */
#define LEAD_MS 100
#define MS (RATE / 1000)
#define MOST_DELAY_MS 400
#define ECHO_FRAMES (1 << 15)
/* Silence before the end. A capture that goes on when its player has gone finds
 * the last of what was played once more in its buffer: the driver clears planar
 * buffers in the wrong places. */
#define LAST_MS 1000

struct microphone {
	snd_pcm_t *pcm;
	struct params params;
	size_t chunk;
	uint8_t *raw;
	const float *sound;
	uint64_t length;
	int loops;
	uint64_t lead;
	uint64_t written;
	/* From this frame on there is silence. */
	uint64_t end;
	/* What the room adds to the frames from this one on. */
	uint64_t kept;
	float echo[ECHO_FRAMES][CHANNELS];
};

struct room {
	float gain;
	uint64_t delay;
	snd_pcm_t *pcm;
	struct params params;
	size_t chunk;
	uint8_t *raw;
	uint64_t read;
	/* The microphone's frame in which the first one read here is heard. */
	int64_t first;
};

static struct microphone microphone;
static struct room room;

static void store(uint8_t *at, snd_pcm_format_t format, float value)
{
	double held = value > 1.0f ? 1.0 : value < -1.0f ? -1.0 : value;
	int32_t whole = (int32_t)(held * 2147483647.0);
	switch (format) {
	case SND_PCM_FORMAT_S16_LE:
		*(int16_t *)at = (int16_t)(whole / 65536);
		break;
	case SND_PCM_FORMAT_S24_3LE:
		for (int byte = 0; byte < 3; byte++)
			at[byte] = (uint8_t)((uint32_t)whole >> (8 + 8 * byte));
		break;
	case SND_PCM_FORMAT_S24_LE:
		*(int32_t *)at = whole / 256;
		break;
	case SND_PCM_FORMAT_S32_LE:
		*(int32_t *)at = whole;
		break;
	case SND_PCM_FORMAT_FLOAT_LE:
		*(float *)at = (float)held;
		break;
	default:
		fprintf(stderr, "lab-microphone: cannot write %s\n", snd_pcm_format_name(format));
		exit(1);
	}
}

static void load(const char *base, struct microphone *mic)
{
	FILE *file = open_file(base, ".f32", "r");
	if (fseek(file, 0, SEEK_END) != 0)
		fail("seek", -errno);
	long bytes = ftell(file);
	rewind(file);
	float *sound = malloc(bytes > 0 ? bytes : 1);
	if (bytes < 0 || !sound || fread(sound, 1, bytes, file) != (size_t)bytes)
		fail("read", -EIO);
	fclose(file);
	mic->sound = sound;
	mic->length = bytes / (sizeof(float) * CHANNELS);
}

static float voice(const struct microphone *mic, uint64_t frame, size_t channel)
{
	if (mic->loops && mic->length)
		frame %= mic->length;
	return frame < mic->length ? mic->sound[frame * CHANNELS + channel] : 0.0f;
}

static void write_chunk(struct microphone *mic)
{
	const struct params *params = &mic->params;
	size_t width = width_of(params);
	for (size_t i = 0; i < mic->chunk; i++) {
		uint64_t frame = mic->written + i;
		float *echo = mic->echo[frame % ECHO_FRAMES];
		for (size_t c = 0; c < CHANNELS; c++) {
			float value = frame < mic->end ? voice(mic, frame, c) + echo[c] : 0.0f;
			size_t place = place_of(params, mic->chunk, i, c);
			store(mic->raw + place * width, params->format, value);
		}
	}
	snd_pcm_sframes_t n;
	if (params->planar) {
		void *planes[CHANNELS];
		for (size_t c = 0; c < CHANNELS; c++)
			planes[c] = mic->raw + place_of(params, mic->chunk, 0, c) * width;
		n = snd_pcm_writen(mic->pcm, planes, mic->chunk);
	} else {
		n = snd_pcm_writei(mic->pcm, mic->raw, mic->chunk);
	}
	if (n != (snd_pcm_sframes_t)mic->chunk)
		give_up(n == -EPIPE ? "underrun" : "the card did not take what was written");
	mic->written += mic->chunk;
}

/* The capturer may be in the middle of setting the card up: asks until the two
 * sides agree. */
static void open_microphone(struct microphone *mic)
{
	int error = 0;
	for (int tries = 0; tries < 500 && !mic->pcm; tries++) {
		if (tries)
			usleep(1000);
		mic->params = usual_params;
		read_near_params(NEAR_CAPTURE, &mic->params);
		mic->pcm = open_far_side(SND_PCM_STREAM_PLAYBACK, &mic->params, CHUNK_MS, BUFFER_MS,
			&error);
	}
	if (!mic->pcm)
		fail("playback setup", error);
	if (mic->params.rate != RATE || mic->params.channels != CHANNELS) {
		fprintf(stderr, "lab-microphone: the card is captured at %u Hz, %u channels\n",
			mic->params.rate, mic->params.channels);
		exit(1);
	}
	mic->chunk = CHUNK_MS * MS;
	mic->raw = malloc(mic->chunk * width_of(&mic->params) * CHANNELS);
}

/* Fills the buffer and lets the card run. */
static void start_microphone(struct microphone *mic)
{
	snd_pcm_sw_params_t *sw;
	snd_pcm_uframes_t never;
	int error;
	snd_pcm_sw_params_alloca(&sw);
	if ((error = snd_pcm_sw_params_current(mic->pcm, sw)) < 0
	    || (error = snd_pcm_sw_params_get_boundary(sw, &never)) < 0
	    || (error = snd_pcm_sw_params_set_start_threshold(mic->pcm, sw, never)) < 0
	    || (error = snd_pcm_sw_params(mic->pcm, sw)) < 0)
		fail("playback setup", error);
	while (mic->written < mic->lead)
		write_chunk(mic);
	if ((error = snd_pcm_start(mic->pcm)) < 0)
		fail("start", error);
}

/* Forgets the echo of frames that were heard. */
static void forget_echo(struct microphone *mic, uint64_t now)
{
	for (; mic->kept < now; mic->kept++)
		memset(mic->echo[mic->kept % ECHO_FRAMES], 0, sizeof *mic->echo);
}

/* Has all from a frame on written anew. */
static void rewrite_from(struct microphone *mic, uint64_t frame)
{
	if (frame >= mic->written)
		return;
	snd_pcm_sframes_t back = mic->written - frame;
	if (snd_pcm_rewind(mic->pcm, back) != back)
		give_up("an echo came after its time");
	mic->written = frame;
}

/* How many frames the microphone has heard. */
static uint64_t heard(struct microphone *mic)
{
	snd_pcm_sframes_t waiting = 0;
	int error = snd_pcm_delay(mic->pcm, &waiting);
	if (error == -EPIPE)
		give_up("underrun");
	if (error < 0)
		fail("position", error);
	return mic->written - waiting;
}

static int open_room(struct room *room, struct microphone *mic)
{
	int error = 0;
	room->params = usual_params;
	read_near_params(NEAR_PLAYBACK, &room->params);
	room->pcm = try_capture(&room->params, CHUNK_MS, BUFFER_MS, &error);
	if (!room->pcm)
		return 0;
	if (room->params.rate != RATE)
		give_up("the speaker does not play at 48 kHz");
	snd_pcm_sframes_t waiting = snd_pcm_avail(room->pcm);
	room->first = (int64_t)heard(mic) - (waiting > 0 ? waiting : 0) + (int64_t)room->delay;
	room->read = 0;
	room->chunk = CHUNK_MS * MS;
	room->raw = malloc(room->chunk * width_of(&room->params) * room->params.channels);
	return 1;
}

static void close_room(struct room *room)
{
	snd_pcm_close(room->pcm);
	room->pcm = NULL;
	free(room->raw);
}

/* Takes what the speaker has played, and has the microphone hear it in time. */
static void listen_in(struct room *room, struct microphone *mic)
{
	snd_pcm_sframes_t n = read_frames(room->pcm, room->raw, room->chunk, &room->params);
	if (n == -EPIPE)
		give_up("overrun");
	if (n < 0) {
		/* The driver stops a capture when the player sets the card up. */
		if (n != -EINTR)
			close_room(room);
		return;
	}
	size_t width = width_of(&room->params);
	int64_t first = room->first + (int64_t)room->read;
	if (n > 0 && first < (int64_t)heard(mic))
		give_up("an echo came after its time");
	for (snd_pcm_sframes_t i = 0; i < n; i++) {
		int64_t due = first + i;
		float *echo = mic->echo[due % ECHO_FRAMES];
		for (size_t c = 0; c < CHANNELS && c < room->params.channels; c++) {
			size_t place = place_of(&room->params, room->chunk, i, c);
			echo[c] += room->gain * sample(room->raw + place * width, room->params.format);
		}
	}
	room->read += n;
	if (n > 0)
		rewrite_from(mic, first);
}

/* Keeps the card busy until SIGINT, and silent for a moment after. */
static void run(struct microphone *mic, struct room *room, FILE *log)
{
	for (;;) {
		if (stopping && mic->end == UINT64_MAX)
			mic->end = mic->written;
		if (room->gain > 0.0f && (room->pcm || open_room(room, mic)))
			listen_in(room, mic);
		else
			usleep(CHUNK_MS * 1000);
		uint64_t now = heard(mic);
		log_clock(log, now);
		if (mic->end != UINT64_MAX && now >= mic->end + LAST_MS * MS)
			return;
		forget_echo(mic, now);
		while (mic->written < now + mic->lead)
			write_chunk(mic);
	}
}

int main(int argc, char **argv)
{
	if ((argc != 3 && argc != 5) || (strcmp(argv[2], "once") && strcmp(argv[2], "loop"))) {
		fprintf(stderr, "usage: lab-microphone BASE once|loop [GAIN DELAY_MS]\n");
		return 64;
	}
	begin();
	load(argv[1], &microphone);
	microphone.loops = strcmp(argv[2], "loop") == 0;
	microphone.lead = LEAD_MS * MS;
	microphone.end = UINT64_MAX;
	if (argc == 5) {
		unsigned delay = strtoul(argv[4], NULL, 10);
		if (delay <= 2 * CHUNK_MS || delay > MOST_DELAY_MS) {
			fprintf(stderr, "lab-microphone: an echo takes %d to %d ms\n", 2 * CHUNK_MS + 1,
				MOST_DELAY_MS);
			return 64;
		}
		room.gain = strtof(argv[3], NULL);
		room.delay = delay * MS;
		/* More would only be written again. */
		microphone.lead = room.delay;
		free_player_of_our_format();
	}
	FILE *log = open_file(argv[1], ".csv", "w");
	open_microphone(&microphone);
	log_segment(log, 0, &microphone.params);
	start_microphone(&microphone);
	puts("microphone");
	fflush(stdout);
	run(&microphone, &room, log);
	snd_pcm_drop(microphone.pcm);
	finish(log);
	return 0;
}
