// SPDX-License-Identifier: LGPL-2.1-or-later
#include "retirement.h"

int retirement_init(struct retirement *retirement, uint32_t threads)
{
	int error;

	*retirement = (struct retirement){ .threads = threads };
	error = -pthread_mutex_init(&retirement->lock, NULL);
	if (error)
		return error;
	error = -pthread_cond_init(&retirement->changed, NULL);
	if (error)
		pthread_mutex_destroy(&retirement->lock);
	return error;
}

void retirement_destroy(struct retirement *retirement)
{
	pthread_cond_destroy(&retirement->changed);
	pthread_mutex_destroy(&retirement->lock);
}

bool retirement_begun(const struct retirement *retirement)
{
	return atomic_load(&retirement->told) != 0;
}

/* Called with the lock held. */
static void look_for_completion(struct retirement *retirement)
{
	if (!retirement->told || retirement->told < retirement->threads)
		return;
	retirement->complete = true;
	pthread_cond_broadcast(&retirement->changed);
}

bool retirement_wait(struct retirement *retirement)
{
	uint32_t given_up;
	bool complete;

	pthread_mutex_lock(&retirement->lock);
	given_up = retirement->given_up;
	retirement->told++;
	look_for_completion(retirement);
	while (!retirement->complete && !retirement->open &&
	       given_up == retirement->given_up)
		pthread_cond_wait(&retirement->changed, &retirement->lock);
	complete = retirement->complete;
	/* A give-up has taken all off the count already. */
	if (given_up == retirement->given_up && !complete)
		retirement->told--;
	pthread_mutex_unlock(&retirement->lock);
	return complete;
}

void retirement_give_up(struct retirement *retirement)
{
	pthread_mutex_lock(&retirement->lock);
	retirement->given_up++;
	retirement->told = 0;
	pthread_cond_broadcast(&retirement->changed);
	pthread_mutex_unlock(&retirement->lock);
}

void retirement_open(struct retirement *retirement)
{
	pthread_mutex_lock(&retirement->lock);
	retirement->open = true;
	pthread_cond_broadcast(&retirement->changed);
	pthread_mutex_unlock(&retirement->lock);
}

void retirement_leave(struct retirement *retirement)
{
	pthread_mutex_lock(&retirement->lock);
	retirement->threads--;
	look_for_completion(retirement);
	pthread_mutex_unlock(&retirement->lock);
}
