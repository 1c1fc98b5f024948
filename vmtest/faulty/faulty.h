/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of vmtest_faulty share. */
#ifndef VMTEST_FAULTY_H
#define VMTEST_FAULTY_H

#include <linux/compiler.h>

struct timer_list;

/* The compiler must not know what comes out of here, or it would act on the fault itself. */
#define hide(value) ({ typeof(value) __v = (value); OPTIMIZER_HIDE_VAR(__v); __v; })

/* Where results go that nobody wants, and what the data race is about. */
extern unsigned long faulty_sink;

/* Set by faulty_release(): loops and threads are to end. */
extern bool faulty_released;

/* A timer function that arms its timer again. */
void faulty_timer_fired(struct timer_list *timer);

/* Run a function in a thread of its own; the log says when that fails. */
void faulty_start(int (*function)(void *), void *argument, const char *name);

/* One function a word of the trigger. */
void faulty_oops(void);
void faulty_paging(void);
void faulty_null_call(void);
void faulty_gpf(void);
void faulty_divide(void);
void faulty_bug(void);
void faulty_warn(void);
void faulty_panic(void);
void faulty_stack_overflow(void);
void faulty_stack_smash(void);
void faulty_use_after_unload(void);
void faulty_use_after_free(void);
void faulty_oob(void);
void faulty_double_free(void);
void faulty_leak(void);
void faulty_list_corruption(void);
void faulty_refcount(void);
void faulty_bad_page(void);
void faulty_odebug(void);
void faulty_ubsan(void);
void faulty_data_race(void);
void faulty_sleep_atomic(void);
void faulty_schedule_atomic(void);
void faulty_unlocked_deref(void);
void faulty_deadlock_abba(void);
void faulty_recursive_lock(void);
void faulty_irq_lock(void);
void faulty_bad_unlock(void);
void faulty_hang_task(void);
void faulty_soft_lockup(void);
void faulty_rcu_stall(void);
void faulty_hard_lockup(void);
void faulty_release(void);

#endif
