// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Requests come in batches.  Where the server tells where the bytes of the
 * device lie (ops.locate), the module copies to or from there and the data is
 * not touched here.  Else it passes through an arena: the data of the batch's
 * writes is asked for in one call, and what reads have brought goes out with
 * their answers.  A batch whose data does not fit is served in parts.
 *
 * Answers are carried out by the next call.  That is one of its own where
 * callbacks take long: no answer waits for more than one that is slow.
 */
#include "ring_worker.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* For which answers may wait for the end of their batch, in nanoseconds. */
#define PATIENCE INT64_C(1000000)

/* Bytes that data starts at a multiple of. */
#define DATA_ALIGN ((size_t)4096)

/* A request, and where its data is in the arena. */
struct job {
	struct zosbd2_ring_request request;
	struct zosbd2_ring_answer *asked; /* for the data of a write */
	unsigned char *data;
};

int arena_init(struct arena *arena, size_t max_io_size)
{
	arena->size = 4 * max_io_size;
	arena->bytes = mmap(NULL, arena->size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena->bytes == MAP_FAILED) {
		arena->bytes = NULL;
		return -errno;
	}
	return 0;
}

void arena_destroy(struct arena *arena)
{
	if (arena->bytes)
		munmap(arena->bytes, arena->size);
	arena->bytes = NULL;
}

static bool has_data(const struct zosbd2_ring_request *request)
{
	return request->operation == ZOSBD2_RING_READ ||
	       request->operation == ZOSBD2_RING_WRITE;
}

static uint32_t io_flags(const struct zosbd2_ring_request *request)
{
	return request->flags & (ZOSBD2_IO_FUA | ZOSBD2_IO_NO_UNMAP);
}

static void end_request(struct channel *channel,
			const struct zosbd2_ring_request *request, int error)
{
	channel_answer(channel, request->id, ZOSBD2_ANSWER_END)->error =
		error > 0 ? -EIO : error;
}

/* Where the module can copy to or from by itself, if anywhere. */
static void *place_of(struct service *service,
		      const struct zosbd2_ring_request *request)
{
	/* A write that must be durable is more than a copy. */
	if (!service->ops.locate || !has_data(request) || request->flags)
		return NULL;
	return service->ops.locate(service->ctx, request->start_byte,
				   request->length_bytes);
}

static bool serve_in_place(struct service *service, struct channel *channel,
			   const struct zosbd2_ring_request *request)
{
	void *place = place_of(service, request);

	if (!place)
		return false;
	channel_answer(channel, request->id,
		       ZOSBD2_ANSWER_COPY | ZOSBD2_ANSWER_END)
		->address = (uintptr_t)place;
	return true;
}

static int serve_without_data(struct service *service,
			      const struct zosbd2_ring_request *request)
{
	const struct zosbd2_ops *ops = &service->ops;

	switch (request->operation) {
	case ZOSBD2_RING_FLUSH:
		if (!ops->flush)
			return -EOPNOTSUPP;
		return ops->flush(service->ctx, io_flags(request));
	case ZOSBD2_RING_WRITE_ZEROES:
		if (!ops->write_zeroes)
			return -EOPNOTSUPP;
		return ops->write_zeroes(service->ctx, request->start_byte,
					 request->length_bytes,
					 io_flags(request));
	case ZOSBD2_RING_DISCARD:
		if (!ops->discard)
			return -EOPNOTSUPP;
		return ops->discard(service->ctx, request->start_byte,
				    request->length_bytes, io_flags(request));
	default:
		return -EOPNOTSUPP;
	}
}

static void serve_job(struct service *service, struct channel *channel,
		      const struct job *job)
{
	const struct zosbd2_ring_request *request = &job->request;
	const struct zosbd2_ops *ops = &service->ops;
	int error;

	switch (request->operation) {
	case ZOSBD2_RING_READ:
		error = ops->read(service->ctx, request->start_byte, job->data,
				  request->length_bytes, io_flags(request));
		if (error)
			break;
		channel_answer(channel, request->id,
			       ZOSBD2_ANSWER_COPY | ZOSBD2_ANSWER_END)
			->address = (uintptr_t)job->data;
		return;
	case ZOSBD2_RING_WRITE:
		/* It timed out, is another server's by now, or has failed. */
		if (job->asked->error)
			return;
		error = ops->write(service->ctx, request->start_byte, job->data,
				   request->length_bytes, io_flags(request));
		break;
	default:
		error = serve_without_data(service, request);
		break;
	}
	end_request(channel, request, error);
}

static struct zosbd2_ring_answer *ask_for_data(struct channel *channel,
					       const struct job *job)
{
	struct zosbd2_ring_answer *asked;

	asked = channel_answer(channel, job->request.id, ZOSBD2_ANSWER_COPY);
	asked->address = (uintptr_t)job->data;
	return asked;
}

/* As many jobs as have room in the arena, which is at least one. */
static unsigned int place_jobs(struct channel *channel, struct arena *arena,
			       struct job *jobs, unsigned int count,
			       bool *asked)
{
	unsigned char *next = arena->bytes;
	unsigned int at;

	*asked = false;
	for (at = 0; at < count; at++) {
		const struct zosbd2_ring_request *request = &jobs[at].request;

		if (!has_data(request))
			continue;
		if (next > arena->bytes + arena->size ||
		    request->length_bytes >
			    (size_t)(arena->bytes + arena->size - next))
			break;
		jobs[at].data = next;
		/* A callback may use it for direct I/O. */
		next += (request->length_bytes + DATA_ALIGN - 1) / DATA_ALIGN *
			DATA_ALIGN;
		if (request->operation == ZOSBD2_RING_WRITE) {
			jobs[at].asked = ask_for_data(channel, &jobs[at]);
			*asked = true;
		}
	}
	return at;
}

/* The memory of an answer is not there: the request fails, and no other. */
static void fail_answer(struct channel *channel)
{
	struct zosbd2_ring_answer *answer;

	answer = &channel->answers[channel->ring->answer_head & channel->mask];
	*answer = (struct zosbd2_ring_answer){
		.id = answer->id,
		.flags = ZOSBD2_ANSWER_END,
		.error = -EIO,
	};
}

static int enter(struct channel *channel, unsigned int max, bool wait)
{
	int result;

	do {
		result = channel_enter(channel, max, wait);
		if (result == -EFAULT)
			fail_answer(channel);
	} while (result == -EFAULT);
	return result;
}

/* Have what was written so far carried out. */
static int hand_in(struct channel *channel)
{
	const int result = enter(channel, 0, false);

	/* Only a fatal signal cuts that short. */
	return result < 0 && result != -EINTR ? result : 0;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int serve_some(struct service *service, struct channel *channel,
		      const struct job *jobs, unsigned int count)
{
	int64_t since = count > 1 ? now() : 0;
	int error;

	for (unsigned int at = 0; at < count; at++) {
		if (at && now() - since > PATIENCE) {
			error = hand_in(channel);
			if (error)
				return error;
			since = now();
		}
		serve_job(service, channel, &jobs[at]);
	}
	return 0;
}

static int serve_jobs(struct service *service, struct channel *channel,
		      struct arena *arena, struct job *jobs, unsigned int count)
{
	unsigned int placed;
	int error;
	bool asked;

	while (count) {
		placed = place_jobs(channel, arena, jobs, count, &asked);
		if (!placed)
			return -EPROTO;
		error = asked ? hand_in(channel) : 0;
		if (!error)
			error = serve_some(service, channel, jobs, placed);
		jobs += placed;
		count -= placed;
		/* The arena is used again. */
		if (!error && count)
			error = hand_in(channel);
		if (error)
			return error;
	}
	return 0;
}

static int serve_batch(struct service *service, struct channel *channel,
		       struct arena *arena, unsigned int count)
{
	struct job jobs[RING_BATCH];
	unsigned int left = 0;

	for (unsigned int at = 0; at < count; at++) {
		const struct zosbd2_ring_request *request =
			&channel->requests[channel->request_head++ &
					   channel->mask];

		if (!serve_in_place(service, channel, request))
			jobs[left++].request = *request;
	}
	return left ? serve_jobs(service, channel, arena, jobs, left) : 0;
}

/* Returns how the thread ends, NONE if it does not, or -errno. */
static int take_state(struct service *service, struct channel *channel,
		      int result)
{
	switch (channel_state(channel)) {
	case ZOSBD2_RING_GONE:
		return ZOSBD2_END_GONE;
	case ZOSBD2_RING_TAKEN_OVER:
		return ZOSBD2_END_TAKEN_OVER;
	case ZOSBD2_RING_QUIESCING:
		/* The next call waits for what becomes of the take-over. */
		if (result == 0 && service->ops.shutdown)
			service->ops.shutdown(service->ctx);
		break;
	default:
		break;
	}
	return result < 0 && result != -EINTR ? result : ZOSBD2_END_NONE;
}

int ring_worker_run(struct service *service, struct channel *channel,
		    struct arena *arena, struct pacing *pacing,
		    unsigned int batch)
{
	int result, error = 0;

	for (;;) {
		/* Never leave with an answer in hand. */
		if (atomic_load_explicit(&service->stop, memory_order_relaxed)) {
			error = hand_in(channel);
			return error && error != -ENOENT ? error :
							   ZOSBD2_END_STOPPED;
		}
		result = enter(channel, batch, true);
		if (result > 0) {
			pacing_note(pacing, (unsigned int)result);
			error = serve_batch(service, channel, arena,
					    (unsigned int)result);
		}
		if (result <= 0 || error) {
			result = take_state(service, channel,
					    error ? error : result);
			if (result)
				return result;
			error = 0;
		}
	}
}
