/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * zosbd2: what the parts of the module share.
 *
 * Lifetime and lock order are written down at the top of zosbd2_dev.c, the
 * life of a request at the top of zosbd2_blk.c.
 */
#ifndef _ZOSBD2_H
#define _ZOSBD2_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <uapi/linux/zosbd2.h>

#include "compat.h"

#define ZOSBD2_SERVER_HASH_BITS	5

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
 * enum zosbd2_slot_state - who may end the request of a slot
 * @ZOSBD2_SLOT_IDLE: there is none
 * @ZOSBD2_SLOT_QUEUED: on zosbd2_device.queued; whoever holds the lock
 * @ZOSBD2_SLOT_FETCHED: with a server; whoever holds the lock
 * @ZOSBD2_SLOT_OWNED: its data is being copied; only the copying thread
 * @ZOSBD2_SLOT_ENDING: being failed; only the thread that took it off
 */
enum zosbd2_slot_state {
	ZOSBD2_SLOT_IDLE,
	ZOSBD2_SLOT_QUEUED,
	ZOSBD2_SLOT_FETCHED,
	ZOSBD2_SLOT_OWNED,
	ZOSBD2_SLOT_ENDING,
};

/**
 * struct zosbd2_slot - our side of one tag
 * @node: on zosbd2_device.queued while queued
 * @rq: the request; valid in every state but idle
 * @id: its operation id: generation << tag_bits | tag
 * @state: enum zosbd2_slot_state
 * @doomed: timed out or killed while owned: the owner must fail it
 *
 * All of it is under zosbd2_device.lock.
 */
struct zosbd2_slot {
	struct list_head node;
	struct request *rq;
	u32 id;
	u8 state;
	bool doomed;
};

/**
 * struct zosbd2_stats - counters of one device, under zosbd2_device.lock
 * @requests: requests that were queued
 * @read_bytes: bytes of reads that succeeded
 * @write_bytes: bytes of writes that succeeded
 * @discard_bytes: bytes of discards that succeeded
 * @errors: requests that failed, for whatever reason
 * @timeouts: requests among them that timed out
 * @queue_waits: requests that found no server thread waiting for them
 * @late_answers: answers that were dropped: their request had ended
 * @queued: requests waiting for a server now
 * @in_flight: requests queued or with a server now
 */
struct zosbd2_stats {
	u64 requests;
	u64 read_bytes;
	u64 write_bytes;
	u64 discard_bytes;
	u64 errors;
	u64 timeouts;
	u64 queue_waits;
	u64 late_answers;
	unsigned int queued;
	unsigned int in_flight;
};

/**
 * struct zosbd2_device - one block device
 * @node: on the registry's list, under the registry's mutex
 * @ref: held by the registry, by the disk and by whoever looked it up
 * @rcu: frees it behind the last dispatch that may still wake @wait
 * @disk: from creation until the remover drops it, see zosbd2_dev.c
 * @tag_set: until the remover frees it, after del_gendisk()
 * @handle_id: constant
 * @timeout_seconds: constant
 * @max_segments: constant
 * @blocks: constant, size in blocks of ZOSBD2_BLOCK_SIZE
 * @queue_depth: constant, number of @slots
 * @tag_bits: constant, low bits of an operation id that are the tag
 * @lock: protects everything below, see zosbd2_dev.c
 * @state: enum zosbd2_dev_state
 * @gone: no request is taken or handed out any more, servers exit
 * @slots: indexed by tag
 * @queued: slots waiting for a server, oldest first
 * @wait: server threads waiting for a request
 * @stats: counters
 * @servers: threads that serve or served, by struct pid
 * @nr_servers: entries of @servers
 * @reap_at: size of @servers at which dead threads are looked for
 * @ever_served: a server has attached at some time
 * @openers: processes that have it open, see zosbd2_client.c
 * @opens: how often it is open in all
 * @opener_changes: how many openers there have been
 * @sync_work: writes the page cache back for an unforced destroy
 * @sync_wait: that destroy waits here
 * @sync_asked: number of the newest write-back that was asked for
 * @sync_done: number of the newest one that has ended
 * @sync_err: and its result
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
	u64 blocks;
	unsigned int queue_depth;
	unsigned int tag_bits;
	char name[ZOSBD2_NAME_LEN];

	spinlock_t lock ____cacheline_aligned_in_smp;
	u8 state;
	bool gone;
	bool ever_served;
	struct zosbd2_slot *slots;
	struct list_head queued;
	wait_queue_head_t wait;
	struct zosbd2_stats stats;

	DECLARE_HASHTABLE(servers, ZOSBD2_SERVER_HASH_BITS);
	unsigned int nr_servers;
	unsigned int reap_at;
	struct list_head openers;
	unsigned int opens;
	unsigned int opener_changes;

	struct work_struct sync_work;
	wait_queue_head_t sync_wait;
	u32 sync_asked;
	u32 sync_done;
	int sync_err;
};

/* zosbd2_main.c */
extern unsigned int zosbd2_max_devices;
extern unsigned int zosbd2_queue_depth;

/* zosbd2_ctl.c */
int zosbd2_ctl_register(void);
void zosbd2_ctl_unregister(void);

/* zosbd2_registry.c */
struct zosbd2_device *zosbd2_dev_get_by_id(u32 handle_id);
struct zosbd2_device *zosbd2_dev_get_by_name(const char *name);
void zosbd2_dev_list(struct zosbd2_device_list *list);
int zosbd2_registry_add(struct zosbd2_device *new);
void zosbd2_registry_remove(struct zosbd2_device *dev);

/* zosbd2_dev.c */
void zosbd2_dev_put(struct zosbd2_device *dev);
int zosbd2_dev_create(const struct zosbd2_create *req, u32 *handle_id);
int zosbd2_dev_destroy(struct zosbd2_device *dev);
int zosbd2_dev_destroy_forced(struct zosbd2_device *dev);
int zosbd2_dev_init(void);
void zosbd2_dev_exit(void);

/* zosbd2_blk.c */
extern const struct blk_mq_ops zosbd2_mq_ops;
extern const struct block_device_operations zosbd2_bdev_ops;
void zosbd2_blk_limits(const struct zosbd2_device *dev,
		       struct queue_limits *lim);
void zosbd2_blk_end(struct zosbd2_device *dev, struct zosbd2_slot *slot,
		    blk_status_t status) __releases(&dev->lock);
void zosbd2_blk_kill(struct zosbd2_device *dev);

/* zosbd2_serve.c */
int zosbd2_serve(struct zosbd2_device *dev, void __user *buf);

/**
 * struct zosbd2_server - a thread that serves or served a device
 * @node: in zosbd2_device.servers
 * @tid: the thread; holding the struct pid makes a reused number harmless
 * @opener_changes: zosbd2_device.opener_changes when its process was marked as
 *	a server
 * @told: it has been told that the device is gone
 */
struct zosbd2_server {
	struct hlist_node node;
	struct pid *tid;
	unsigned int opener_changes;
	bool told;
};

/* zosbd2_client.c */
int zosbd2_client_open(struct zosbd2_device *dev, bool writable);
void zosbd2_client_release(struct zosbd2_device *dev);
bool zosbd2_client_in_use(struct zosbd2_device *dev) __must_hold(&dev->lock);
struct zosbd2_server *zosbd2_server_attach(struct zosbd2_device *dev);
unsigned int zosbd2_server_count(struct zosbd2_device *dev);
void zosbd2_client_free_all(struct zosbd2_device *dev);

/* zosbd2_stats.c */
extern const struct attribute_group *zosbd2_stats_groups[];

#endif /* _ZOSBD2_H */
