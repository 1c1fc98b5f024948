/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * zosbd2: what older kernels lack, under the name the newest one gives it, so
 * that the rest of the module reads as if it were written for that kernel.
 */
#ifndef _ZOSBD2_COMPAT_H
#define _ZOSBD2_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/version.h>

/* New in 7.0. */
#ifndef kzalloc_obj
#define kzalloc_obj(obj, gfp)	kzalloc(sizeof(typeof(obj)), gfp)
#endif

/* Before 6.5 the mode of an opener was that of its file. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
typedef fmode_t blk_mode_t;
#define BLK_OPEN_WRITE	FMODE_WRITE
#endif

/*
 * BDEV_OP_OPEN(fn) and friends define, where they must, an adapter to the
 * types that block_device_operations had; BDEV_OP(fn) names what goes into
 * that struct.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define BDEV_OP_OPEN(fn)						\
static int fn##_adapter(struct block_device *bdev, fmode_t mode)	\
{									\
	return fn(bdev->bd_disk, mode);					\
}

#define BDEV_OP_RELEASE(fn)						\
static void fn##_adapter(struct gendisk *disk, fmode_t mode)		\
{									\
	fn(disk);							\
}

#define BDEV_OP_6_5(fn)	fn##_adapter
#else
#define BDEV_OP_OPEN(fn)
#define BDEV_OP_RELEASE(fn)
#define BDEV_OP_6_5(fn)	fn
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define BDEV_OP_GETGEO(fn)						\
static int fn##_adapter(struct block_device *bdev, struct hd_geometry *geo) \
{									\
	return fn(bdev->bd_disk, geo);					\
}

#define BDEV_OP_6_18(fn)	fn##_adapter
#else
#define BDEV_OP_GETGEO(fn)
#define BDEV_OP_6_18(fn)	fn
#endif

/*
 * Before 6.13, and the stable kernels that have it as well, a list of requests
 * was its first one, without a type, and what worked on it were macros.
 * BLK_MQ_QUEUE_RQS(fn) and BLK_MQ_OP_6_13(fn) are as above.
 */
#ifdef rq_list_empty
struct rq_list {
	struct request *head;
	struct request *tail;
};

#undef rq_list_empty
static inline bool rq_list_empty(const struct rq_list *list)
{
	return !list->head;
}

#undef rq_list_peek
static inline struct request *rq_list_peek(struct rq_list *list)
{
	return list->head;
}

#undef rq_list_pop
static inline struct request *rq_list_pop(struct rq_list *list)
{
	struct request *rq = list->head;

	if (rq) {
		list->head = rq->rq_next;
		rq->rq_next = NULL;
	}
	return rq;
}

#undef rq_list_add_tail
static inline void rq_list_add_tail(struct rq_list *list, struct request *rq)
{
	rq->rq_next = NULL;
	if (list->head)
		list->tail->rq_next = rq;
	else
		list->head = rq;
	list->tail = rq;
}

#define BLK_MQ_QUEUE_RQS(fn)						\
static void fn##_adapter(struct request **first)			\
{									\
	struct rq_list list = { .head = *first };			\
									\
	fn(&list);							\
	*first = list.head;						\
}

#define BLK_MQ_OP_6_13(fn)	fn##_adapter
#else
#define BLK_MQ_QUEUE_RQS(fn)
#define BLK_MQ_OP_6_13(fn)	fn
#endif

/*
 * Before 6.7 a request that came through queue_rqs was not known by its tag,
 * and so did not time out, unless the driver saw to it.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline void zosbd2_own_tag(struct request *rq)
{
	rq->mq_hctx->tags->rqs[rq->tag] = rq;
}
#else
static inline void zosbd2_own_tag(struct request *rq)
{
}
#endif

/* Since 6.3 the flags of a mapping are changed through functions. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* Since 6.14 every queue merges. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
#define BLK_MQ_F_SHOULD_MERGE	0
#endif

/*
 * Since 6.11 a volatile write cache is a feature among the limits, before it
 * was told to the queue.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
static inline void zosbd2_limit_cache(struct queue_limits *lim, bool wc,
				      bool fua)
{
}

static inline void zosbd2_queue_cache(struct request_queue *q, bool wc,
				      bool fua)
{
	blk_queue_write_cache(q, wc, fua);
}
#else
static inline void zosbd2_limit_cache(struct queue_limits *lim, bool wc,
				      bool fua)
{
	if (wc)
		lim->features |= BLK_FEAT_WRITE_CACHE;
	if (fua)
		lim->features |= BLK_FEAT_FUA;
}

static inline void zosbd2_queue_cache(struct request_queue *q, bool wc,
				      bool fua)
{
}
#endif

/* Likewise whether it rotates, with the other sign. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
static inline void zosbd2_limit_rotational(struct queue_limits *lim, bool is)
{
}

static inline void zosbd2_queue_rotational(struct request_queue *q, bool is)
{
	if (!is)
		blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
}
#else
static inline void zosbd2_limit_rotational(struct queue_limits *lim, bool is)
{
	if (is)
		lim->features |= BLK_FEAT_ROTATIONAL;
}

static inline void zosbd2_queue_rotational(struct request_queue *q, bool is)
{
}
#endif

/* Since 6.15 a block can be larger than a page. */
#ifdef BLK_MAX_BLOCK_SIZE
#define ZOSBD2_MAX_BLOCK_SIZE	BLK_MAX_BLOCK_SIZE
#else
#define ZOSBD2_MAX_BLOCK_SIZE	PAGE_SIZE
#endif

/*
 * Since 6.9 the limits are given when the disk is allocated.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
static inline struct gendisk *
zosbd2_compat_set_limits(struct gendisk *disk, const struct queue_limits *lim)
{
	struct request_queue *q;

	if (IS_ERR(disk))
		return disk;
	q = disk->queue;
	blk_queue_logical_block_size(q, lim->logical_block_size);
	blk_queue_physical_block_size(q, lim->physical_block_size);
	blk_queue_max_hw_sectors(q, lim->max_hw_sectors);
	blk_queue_max_segments(q, lim->max_segments);
	blk_queue_max_segment_size(q, lim->max_segment_size);
	blk_queue_max_discard_sectors(q, lim->max_hw_discard_sectors);
	blk_queue_max_discard_segments(q, lim->max_discard_segments);
	blk_queue_max_write_zeroes_sectors(q, lim->max_write_zeroes_sectors);
	q->limits.discard_granularity = lim->discard_granularity;
	blk_queue_dma_alignment(q, lim->dma_alignment);
	blk_queue_io_min(q, lim->io_min);
	blk_queue_io_opt(q, lim->io_opt);
	return disk;
}

#undef blk_mq_alloc_disk
#define blk_mq_alloc_disk(set, lim, queuedata)				\
({									\
	static struct lock_class_key __key;				\
									\
	zosbd2_compat_set_limits(__blk_mq_alloc_disk(set, queuedata, &__key), \
				 lim);					\
})
#endif

#endif /* _ZOSBD2_COMPAT_H */
