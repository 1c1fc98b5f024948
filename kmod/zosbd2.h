/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * zosbd2: what the parts of the module share.
 *
 * Lifetime and lock order are written down at the top of zosbd2_dev.c, the
 * life of a request at the top of zosbd2_request.c.
 */
#ifndef _ZOSBD2_H
#define _ZOSBD2_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/bottom_half.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/irqflags.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <uapi/linux/zosbd2.h>
#include <uapi/linux/zosbd2_ext.h>
#include <uapi/linux/zosbd2_ring.h>

#include "compat.h"
#include "zosbd2_slot.h"

#define ZOSBD2_THREAD_HASH_BITS	5

/* What a device can be created with, see <uapi/linux/zosbd2_ext.h>. */
#define ZOSBD2_FEATURES	(ZOSBD2_FEATURES_OF_SERVER | \
			 ZOSBD2_FEATURE_READ_ONLY | \
			 ZOSBD2_FEATURE_PARTITIONS | ZOSBD2_FEATURE_ROTATIONAL)

/*
 * Discards carry no data, but a server may walk over what they cover, and the
 * time-out runs meanwhile.
 */
#define ZOSBD2_DISCARD_BYTES	(128U << 20)

/**
 * enum zosbd2_dev_state - where a device is in its life
 * @ZOSBD2_DEV_CREATING: name and handle are taken, nobody can find it yet
 * @ZOSBD2_DEV_LIVE: in use
 * @ZOSBD2_DEV_SYNCING: an unforced destroy has claimed it: no new openers,
 *	dirty data is being written back; can become live again
 * @ZOSBD2_DEV_REMOVING: one caller is tearing it down; nobody can find it
 */
enum zosbd2_dev_state {
	ZOSBD2_DEV_CREATING,
	ZOSBD2_DEV_LIVE,
	ZOSBD2_DEV_SYNCING,
	ZOSBD2_DEV_REMOVING,
};

/**
 * struct zosbd2_stats - counters of one queue, under zosbd2_queue.lock
 * @requests: requests that were queued
 * @read_bytes: bytes of reads that succeeded
 * @write_bytes: bytes of writes that succeeded
 * @discard_bytes: bytes of discards that succeeded
 * @flushes: flushes that succeeded
 * @errors: requests that failed, for whatever reason
 * @timeouts: requests among them that timed out
 * @queue_waits: how often there was no server thread waiting for what came
 * @late_answers: answers that were dropped: their request had ended, or their
 *	server was gone or taken over from
 * @handed_on: requests that a process had fetched that went away, and that
 *	went back into the queue
 * @queued: requests waiting for a server now
 * @in_flight: requests queued or with a server now
 */
struct zosbd2_stats {
	u64 requests;
	u64 read_bytes;
	u64 write_bytes;
	u64 discard_bytes;
	u64 flushes;
	u64 errors;
	u64 timeouts;
	u64 queue_waits;
	u64 late_answers;
	u64 handed_on;
	u64 queued;
	u64 in_flight;
};

/**
 * struct zosbd2_queue - one hardware queue of a device
 * @dev: the device
 * @lock: protects everything below, see zosbd2_dev.c
 * @slots: indexed by tag
 * @polled: requests without a slot that their submitter is to end
 * @queued: slots waiting for a server, oldest first
 * @idle: channels whose threads sleep until there is a request, the last one
 *	to fall asleep first
 * @spinning: threads that look at @queued all the time
 * @wait: classic server threads that sleep so, and who polls a channel
 * @stats: counters
 */
struct zosbd2_queue {
	struct zosbd2_device *dev;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct zosbd2_slot *slots;
	struct list_head polled;
	struct zosbd2_fifo queued;
	struct hlist_head idle;
	unsigned int spinning;
	wait_queue_head_t wait;
	struct zosbd2_stats stats;
};

/**
 * struct zosbd2_device - one block device
 * @node: on the registry's list, under the registry's mutex
 * @ref: held by the registry, by the disk and by whoever looked it up
 * @rcu: frees it behind the last dispatch that may still wake a server
 * @disk: from creation until the remover drops it, see zosbd2_dev.c
 * @tag_set: until the remover frees it, after del_gendisk()
 * @handle_id: constant
 * @timeout_seconds: constant
 * @max_segments: constant
 * @recovery: constant, enum zosbd2_recovery
 * @block_size: constant, logical, in bytes
 * @physical_block_size: constant, in bytes
 * @max_io_bytes: constant, data of a request at most
 * @io_opt: constant, optimal size of a request in bytes, or 0
 * @max_discard_bytes: constant, of a discard or write zeroes
 * @discard_granularity: constant, in bytes
 * @features: constant, ZOSBD2_FEATURE_*
 * @nr_queues: constant, number of @queues
 * @nr_poll_queues: constant, how many of them, the last ones, are for polled I/O
 * @queue_depth: constant, number of slots of each
 * @tag_bits: constant, low bits of an operation id that are the tag
 * @name: constant, of the node below /dev
 * @lock: protects what follows up to @queues, see zosbd2_dev.c
 * @state: enum zosbd2_dev_state
 * @gone: no request is taken or handed out any more, servers exit
 * @lost: the last server went away and none has come since
 * @lost_at: when it went, in jiffies
 * @blocks: size in blocks of @block_size
 * @retired_wait: threads of servers that are being taken over, and who takes over
 * @take_overs: how many take-overs have begun
 * @generation: how many have succeeded, and one
 * @take_over: number of the one under way, 0 if there is none; see
 *	zosbd2_takeover.c
 * @servers: processes that serve, see zosbd2_server.c
 * @servers_lost: how many have served and went away
 * @sessions: the open sessions
 * @threads: threads that serve or served, by struct pid
 * @nr_threads: entries of @threads
 * @reap_at: size of @threads at which dead ones are looked for
 * @ever_served: a server has attached at some time
 * @openers: processes that have it open, see zosbd2_client.c
 * @opens: how often it is open in all
 * @opener_changes: how many openers there have been
 * @sync_work: writes the page cache back for an unforced destroy
 * @sync_wait: that destroy waits here
 * @sync_asked: number of the newest write-back that was asked for
 * @sync_done: number of the newest one that has ended
 * @sync_err: and its result
 * @queues: what requests come through
 */
struct zosbd2_device {
	struct list_head node;
	struct kref ref;
	struct rcu_head rcu;
	struct gendisk *disk;
	struct blk_mq_tag_set tag_set;
	u32 handle_id;
	u32 timeout_seconds;
	u32 max_segments;
	u32 recovery;
	u32 block_size;
	u32 physical_block_size;
	u32 max_io_bytes;
	u32 io_opt;
	u32 max_discard_bytes;
	u32 discard_granularity;
	u64 features;
	unsigned int nr_queues;
	unsigned int nr_poll_queues;
	unsigned int queue_depth;
	unsigned int tag_bits;
	char name[ZOSBD2_NAME_LEN];

	spinlock_t lock ____cacheline_aligned_in_smp;
	u8 state;
	bool gone;
	bool ever_served;
	bool lost;
	unsigned long lost_at;
	u64 blocks;
	wait_queue_head_t retired_wait;
	u64 take_overs;
	u64 generation;
	u64 take_over;

	struct list_head servers;
	u64 servers_lost;
	struct list_head sessions;
	DECLARE_HASHTABLE(threads, ZOSBD2_THREAD_HASH_BITS);
	unsigned int nr_threads;
	unsigned int reap_at;
	struct list_head openers;
	unsigned int opens;
	unsigned int opener_changes;

	struct work_struct sync_work;
	wait_queue_head_t sync_wait;
	u32 sync_asked;
	u32 sync_done;
	int sync_err;

	struct zosbd2_queue queues[];
};

static inline struct zosbd2_queue *zosbd2_queues_end(struct zosbd2_device *dev)
{
	return dev->queues + dev->nr_queues;
}

/**
 * struct zosbd2_head - start of struct zosbd2_operation, as far as it is used
 * @handle_id: see there
 * @reserved0: see there
 * @header: see there
 * @request: see there
 * @response: see there
 * @signal: see there
 * @segment: the first of the segments, which is all that is used
 */
struct zosbd2_head {
	__u32 handle_id;
	__u32 reserved0;
	struct zosbd2_op_header header;
	union {
		struct zosbd2_op_request request;
		struct zosbd2_op_response response;
		struct zosbd2_op_signal signal;
	};
	struct zosbd2_segment segment;
};

/**
 * struct zosbd2_tail - its end
 * @error: see there
 * @operation_id: see there
 */
struct zosbd2_tail {
	__s32 error;
	__u32 operation_id;
};

#define ZOSBD2_HEAD_IN_BYTES	offsetof(struct zosbd2_head, segment)
#define ZOSBD2_TAIL_OFFSET	offsetof(struct zosbd2_operation, error)

/**
 * struct zosbd2_server - a process that serves a device
 * @notifier: tells when its address space is gone; its life is that of the
 *	whole struct
 * @node: on zosbd2_device.servers while attached
 * @dev: the device, of which it holds a reference
 * @queue: what it serves of it
 * @session: what it serves through; NULL if that is the block device
 * @tgid: the process
 * @watch: tells when the process has ended, see zosbd2_watch.c
 * @watch_work: looks whether that is so
 * @users: under dev->lock: one while attached, one while watched, one for each
 *	call
 * @held: under queue->lock: slots that it is the server of
 * @attached: under dev->lock: it may have requests
 * @served: it has made a call
 * @retired_by: under dev->lock, and once others see it under the first queue's
 *	too: number of the take-over that retired it, so that it gets no more
 *	requests, or 0
 */
struct zosbd2_server {
	struct mmu_notifier notifier;
	struct list_head node;
	struct zosbd2_device *dev;
	struct zosbd2_queue *queue;
	struct zosbd2_session *session;
	struct pid *tgid;
	struct wait_queue_entry watch;
	struct work_struct watch_work;
	u64 retired_by;
	unsigned int users;
	unsigned int held;
	bool attached;
	bool served;
};

/**
 * struct zosbd2_session - an open file that a device is served through
 * @free: frees it, and what it is a part of
 * @begin: called when it has been admitted, before anybody can use it; 0 or a
 *	negative errno; may be NULL
 * @opened: called after that, when a take-over has succeeded; may be NULL
 * @node: on zosbd2_device.sessions
 * @dev: the device, of which it holds a reference
 * @queue: what is served through it
 * @generation: that of the device when it was opened
 * @tgid: the process that opened it
 * @is_channel: constant, it is a part of struct zosbd2_channel
 * @takes_over: under dev->lock: its take-over waits or is under way
 * @used: under dev->lock: a process has served through it
 * @retired_by: under dev->lock: what that of its servers will be
 */
struct zosbd2_session {
	void (*free)(struct zosbd2_session *session);
	int (*begin)(struct zosbd2_session *session);
	void (*opened)(struct zosbd2_session *session);
	struct list_head node;
	struct zosbd2_device *dev;
	struct zosbd2_queue *queue;
	u64 generation;
	struct pid *tgid;
	bool is_channel;
	bool takes_over;
	u64 retired_by;
	bool used;
};

/* Answers that are carried out at a time, at most. */
#define ZOSBD2_ROUND	16

/**
 * struct zosbd2_reply - an answer that is being carried out
 * @answer: a copy that the server cannot change
 * @slot: what it is for, owned; NULL if that is with the server no more
 * @ended: the request, when it is to end
 * @status: how it ends
 * @reads: it is a read
 */
struct zosbd2_reply {
	struct zosbd2_ring_answer answer;
	struct zosbd2_slot *slot;
	struct request *ended;
	blk_status_t status;
	bool reads;
};

/**
 * struct zosbd2_channel - a session for the ring protocol
 * @session: the base; it owns the channel
 * @ring: constant, the memory that the server maps
 * @requests: constant, the ring of requests in it
 * @answers: constant, the ring of answers in it
 * @entries: constant, of each ring
 * @server: constant, the process; the channel is one of its users
 * @busy: a thread is in a call and owns what follows, up to @kicked
 * @request_tail: number of requests that were brought
 * @answer_head: number of answers that were carried out
 * @told_retired: number of the newest take-over it was asked to quiesce for
 * @spin_ns: how long to look for a request before sleeping
 * @round: answers that are being carried out; not on the stack, which is
 *	zeroed first where the kernel was configured so
 * @kicked: under the queue's lock: the next to sleep is to return
 * @idle: on zosbd2_queue.idle, under its lock
 * @task: who sleeps, while it is there
 */
struct zosbd2_channel {
	struct zosbd2_session session;
	struct zosbd2_ring *ring;
	struct zosbd2_ring_request *requests;
	struct zosbd2_ring_answer *answers;
	u32 entries;

	struct zosbd2_server *server;

	atomic_t busy;
	u32 request_tail;
	u32 answer_head;
	u64 told_retired;
	unsigned int spin_ns;
	struct zosbd2_reply round[ZOSBD2_ROUND];

	bool kicked;
	struct hlist_node idle;
	struct task_struct *task;
};

static inline struct zosbd2_queue *
zosbd2_channel_queue(const struct zosbd2_channel *channel)
{
	return channel->session.queue;
}

/**
 * struct zosbd2_thread - a thread that serves or served a device
 * @node: in zosbd2_device.threads
 * @tid: the thread; holding the struct pid makes a reused number harmless
 * @opener_changes: zosbd2_device.opener_changes when its process was marked as
 *	a server
 * @told_gone: it has been told that the device is gone
 * @told_retired: number of the newest take-over it was asked to quiesce for
 * @told_over: number of the newest one that it was sent away by
 */
struct zosbd2_thread {
	struct hlist_node node;
	struct pid *tid;
	unsigned int opener_changes;
	bool told_gone;
	u64 told_retired;
	u64 told_over;
};

/**
 * struct zosbd2_caller - who makes a DEVICE_OPERATION call
 * @server: its process
 * @thread: itself
 */
struct zosbd2_caller {
	struct zosbd2_server *server;
	struct zosbd2_thread *thread;
};

/**
 * enum zosbd2_retirement - where a server stands in a take-over
 * @ZOSBD2_SERVING: nobody takes over from it
 * @ZOSBD2_RETIRING: somebody does, and may still give up
 * @ZOSBD2_RETIRED: somebody has
 */
enum zosbd2_retirement {
	ZOSBD2_SERVING,
	ZOSBD2_RETIRING,
	ZOSBD2_RETIRED,
};

/**
 * enum zosbd2_which - some of a device's servers
 * @ZOSBD2_OF_SESSION: those of one session
 * @ZOSBD2_OF_BDEV: those that serve through the block device
 * @ZOSBD2_OF_BDEV_AND_TGID: the one among them that is a certain process
 * @ZOSBD2_OF_ANY: all
 */
enum zosbd2_which {
	ZOSBD2_OF_SESSION,
	ZOSBD2_OF_BDEV,
	ZOSBD2_OF_BDEV_AND_TGID,
	ZOSBD2_OF_ANY,
};

/**
 * zosbd2_sectors - how many sectors blocks of a device are
 * @dev: the device
 * @blocks: the blocks
 *
 * Return: the sectors.
 */
static inline sector_t zosbd2_sectors(const struct zosbd2_device *dev, u64 blocks)
{
	return blocks * (dev->block_size >> SECTOR_SHIFT);
}

/**
 * zosbd2_request_flags - what a server is told about a request
 * @rq: the request
 *
 * Return: ZOSBD2_REQUEST_*.
 */
static inline u32 zosbd2_request_flags(const struct request *rq)
{
	if (req_op(rq) == REQ_OP_WRITE && rq->cmd_flags & REQ_FUA)
		return ZOSBD2_REQUEST_FUA;
	if (req_op(rq) == REQ_OP_WRITE_ZEROES && rq->cmd_flags & REQ_NOUNMAP)
		return ZOSBD2_REQUEST_NO_UNMAP;
	return 0;
}

/**
 * zosbd2_next_id - the operation id of the next request, or hand-on, of a slot
 * @dev: the device
 * @id: the one before
 *
 * Generation 0 is never used, so that a zeroed answer names no request, also
 * where only the low 32 bits are told.
 *
 * Return: the id.
 */
static inline u64 zosbd2_next_id(const struct zosbd2_device *dev, u64 id)
{
	u64 next = id + (1U << dev->tag_bits);

	if (unlikely(!((u32)next >> dev->tag_bits)))
		next += 1U << dev->tag_bits;
	return next;
}

/**
 * zosbd2_request_give - note that a request is with a server
 * @slot: its slot, which is with none; its queue's lock held
 * @server: the server
 */
static inline void zosbd2_request_give(struct zosbd2_slot *slot,
				       struct zosbd2_server *server)
{
	slot->server = server;
	server->held++;
}

/**
 * zosbd2_request_leave - leave the end of a request to who polls for it
 * @queue: its queue, lock held
 * @rq: the request, taken out of its slot
 * @status: how it ends
 *
 * Return: false if nobody does: then the caller has to end it.
 */
static inline bool zosbd2_request_leave(struct zosbd2_queue *queue,
					struct request *rq, blk_status_t status)
{
	/* A failure is rare, and its status would have to be kept. */
	if (likely(!(rq->cmd_flags & REQ_POLLED)) || status != BLK_STS_OK)
		return false;
	list_add_tail(&rq->queuelist, &queue->polled);
	return true;
}

/**
 * zosbd2_ending_begin - before requests are ended, see zosbd2_request.c
 *
 * Return: for zosbd2_ending_end().
 */
static inline unsigned long zosbd2_ending_begin(void)
{
	unsigned long flags = 0;

	local_bh_disable();
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_save(flags);
	return flags;
}

/**
 * zosbd2_ending_end - after requests were ended
 * @flags: of zosbd2_ending_begin()
 */
static inline void zosbd2_ending_end(unsigned long flags)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_restore(flags);
	local_bh_enable();
}

/* zosbd2_main.c */
extern unsigned int zosbd2_max_devices;
extern unsigned int zosbd2_queue_depth;

/* zosbd2_ctl.c */
bool zosbd2_check_size(u64 blocks, u32 block_size);
int zosbd2_check_create(const struct zosbd2_ext_create *req);
int zosbd2_tell_handle(u32 handle_id, __u32 __user *arg);
int zosbd2_ctl_register(void);
void zosbd2_ctl_unregister(void);

/* zosbd2_ext.c */
long zosbd2_ext_ioctl(unsigned int cmd, void __user *arg);

/* zosbd2_registry.c */
struct zosbd2_device *zosbd2_dev_get_by_id(u32 handle_id);
struct zosbd2_device *zosbd2_dev_get_by_name(const char *name);
void zosbd2_dev_list(struct zosbd2_device_list *list);
int zosbd2_registry_add(struct zosbd2_device *new);
void zosbd2_registry_remove(struct zosbd2_device *dev);

/* zosbd2_dev.c */
bool zosbd2_dev_is_classic(const struct zosbd2_device *dev);
void zosbd2_dev_put(struct zosbd2_device *dev);
bool zosbd2_dev_move(struct zosbd2_device *dev, unsigned int from,
		     enum zosbd2_dev_state to);
struct gendisk *zosbd2_get_disk(struct zosbd2_device *dev);
u64 zosbd2_dev_blocks(struct zosbd2_device *dev);
int zosbd2_dev_create(const struct zosbd2_ext_create *req, u32 *handle_id);
int zosbd2_dev_resize(struct zosbd2_device *dev, u64 blocks);
int zosbd2_dev_init(void);
void zosbd2_dev_exit(void);

/* zosbd2_destroy.c */
extern struct workqueue_struct *zosbd2_sync_wq;
void zosbd2_sync_work(struct work_struct *work);
int zosbd2_dev_destroy(struct zosbd2_device *dev);
int zosbd2_dev_destroy_forced(struct zosbd2_device *dev);

/* zosbd2_blk.c */
extern const struct blk_mq_ops zosbd2_mq_ops;
void zosbd2_blk_limits(const struct zosbd2_device *dev,
		       struct queue_limits *lim);

/* zosbd2_request.c */
void zosbd2_request_take_away(struct zosbd2_queue *queue,
			      struct zosbd2_slot *slot)
	__must_hold(&queue->lock);
struct request *zosbd2_request_take(struct zosbd2_queue *queue,
				    struct zosbd2_slot *slot,
				    blk_status_t status)
	__must_hold(&queue->lock);
void zosbd2_rq_end(struct request *rq, blk_status_t status);
void zosbd2_request_end(struct zosbd2_queue *queue, struct zosbd2_slot *slot,
			blk_status_t status) __releases(&queue->lock);
void zosbd2_request_extend(struct zosbd2_queue *queue,
			   struct zosbd2_slot *slot)
	__must_hold(&queue->lock);
void zosbd2_request_hand_on(struct zosbd2_queue *queue,
			    struct zosbd2_slot *slot)
	__must_hold(&queue->lock);
void zosbd2_request_disown(struct zosbd2_queue *queue,
			   struct zosbd2_slot *slot)
	__must_hold(&queue->lock);
void zosbd2_request_doom(struct zosbd2_queue *queue, struct zosbd2_slot *slot,
			 struct zosbd2_fifo *ending)
	__must_hold(&queue->lock);
void zosbd2_requests_end_doomed(struct zosbd2_fifo *ending);
int zosbd2_requests_reap(struct zosbd2_queue *queue,
			 struct io_comp_batch *batch);

/* zosbd2_queue.c */
void zosbd2_queues_free(struct zosbd2_device *dev);
int zosbd2_queues_init(struct zosbd2_device *dev);
struct task_struct *zosbd2_queue_pop_idle(struct zosbd2_queue *queue)
	__must_hold(&queue->lock);
void zosbd2_queue_wake_locked(struct zosbd2_queue *queue)
	__must_hold(&queue->lock);
void zosbd2_queue_wake(struct zosbd2_queue *queue);
void zosbd2_queues_wake_all(struct zosbd2_device *dev);
void zosbd2_queues_kill(struct zosbd2_device *dev);
u64 zosbd2_queues_sum(struct zosbd2_device *dev, size_t counter);

/* zosbd2_bdev.c */
extern const struct block_device_operations zosbd2_bdev_ops;

/* zosbd2_channel.c */
int zosbd2_channel_layout(const struct zosbd2_device *dev,
			  struct zosbd2_ring_attach *req);
int zosbd2_channel_attach(struct zosbd2_device *dev,
			  const struct zosbd2_ring_attach *req);

/* zosbd2_enter.c */
int zosbd2_enter(struct zosbd2_channel *channel, unsigned int max, bool wait);
void zosbd2_kick_channel(struct zosbd2_channel *channel);

/* zosbd2_commit.c */
int zosbd2_commit(struct zosbd2_channel *channel);

/* zosbd2_copy.c */
u32 zosbd2_response_op(struct request *rq);
bool zosbd2_copy_request(struct zosbd2_device *dev, struct zosbd2_slot *slot,
			 char __user *buf);
bool zosbd2_copy_from_server(struct request *rq, void __user *data);
bool zosbd2_copy_piece(struct request *rq, void __user *memory,
		       unsigned int offset, unsigned int bytes);
void zosbd2_zero_rest(struct request *rq, unsigned int offset);

/* zosbd2_answer.c */
blk_status_t zosbd2_status(const struct request *rq, s32 error);
int zosbd2_answer(struct zosbd2_queue *queue, struct zosbd2_server *server,
		  const struct zosbd2_head *head,
		  const struct zosbd2_tail *tail, void __user *data);

/* zosbd2_serve.c */
int zosbd2_serve(struct zosbd2_device *dev, struct zosbd2_session *session,
		 void __user *buf);

/* zosbd2_server.c */
bool zosbd2_dev_is_served(struct zosbd2_device *dev) __must_hold(&dev->lock);
void zosbd2_dev_lose(struct zosbd2_device *dev, struct zosbd2_fifo *ending)
	__must_hold(&dev->lock);
unsigned int zosbd2_server_count(struct zosbd2_device *dev);
int zosbd2_server_attach(struct zosbd2_device *dev,
			 struct zosbd2_session *session,
			 struct zosbd2_server **attached);
int zosbd2_server_enter(struct zosbd2_device *dev,
			struct zosbd2_session *session,
			struct zosbd2_caller *caller);
void zosbd2_server_leave(struct zosbd2_caller *caller);
void zosbd2_server_put(struct zosbd2_server *server);
void zosbd2_server_detach(struct zosbd2_server *server);
void zosbd2_servers_detach(struct zosbd2_device *dev, enum zosbd2_which which,
			   const void *what);
int zosbd2_server_init(void);
void zosbd2_server_exit(void);

/* zosbd2_takeover.c */
enum zosbd2_retirement zosbd2_retirement(const struct zosbd2_server *server,
					 u64 *number);
int zosbd2_servers_retire(struct zosbd2_device *dev,
			  struct zosbd2_session *successor,
			  unsigned int timeout_ms);

/* zosbd2_watch.c */
void zosbd2_watch_start(struct zosbd2_server *server)
	__must_hold(&server->dev->lock);
bool zosbd2_watch_stop(struct zosbd2_server *server);
int zosbd2_watch_init(void);
void zosbd2_watch_exit(void);

/* zosbd2_session.c */
int zosbd2_session_release(struct inode *inode, struct file *file);
int zosbd2_session_open(struct zosbd2_session *session,
			const struct file_operations *fops, u32 flags,
			u32 timeout_ms);
int zosbd2_session_attach(struct zosbd2_device *dev,
			  const struct zosbd2_ext_attach *req);

/* zosbd2_thread.c */
int zosbd2_thread_attach(struct zosbd2_device *dev, bool is_opener,
			 struct zosbd2_thread **thread);
unsigned int zosbd2_thread_count(struct zosbd2_device *dev);
void zosbd2_thread_free_all(struct zosbd2_device *dev);

/* zosbd2_client.c */
bool zosbd2_pid_is_alive(struct pid *pid, enum pid_type type);
int zosbd2_client_open(struct zosbd2_device *dev, bool writable);
void zosbd2_client_release(struct zosbd2_device *dev);
void zosbd2_client_is_server(struct zosbd2_device *dev)
	__must_hold(&dev->lock);
bool zosbd2_client_in_use(struct zosbd2_device *dev) __must_hold(&dev->lock);
void zosbd2_client_free_all(struct zosbd2_device *dev);

/* zosbd2_stats.c */
extern const struct attribute_group *zosbd2_stats_groups[];

#endif /* _ZOSBD2_H */
