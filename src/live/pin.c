/* SPDX-License-Identifier: Apache-2.0 */
/* Pins: while one is held, nothing that was written before is overwritten or reused. */
#include "live/internal.h"

void live_quiesce(struct fc_live *live)
{
    live->pins_waiting++;
    while (live->n_writers > 0)
        pthread_cond_wait(&live->quiet, &live->lock);
    live->pins_waiting--;
    /* Whoever waits for us goes on when the lock is free. */
    pthread_cond_broadcast(&live->quiet);
}

void live_pin(struct fc_live *live)
{
    /* A write that was planned before the pin may still be overwriting in place. */
    live_quiesce(live);
    live->n_pins++;
    live->epoch++;
    if (live->edit) {
        pthread_mutex_lock(&live->store);
        fc_edit_space_pin(live->edit);
        pthread_mutex_unlock(&live->store);
    }
}

void live_unpin(struct fc_live *live)
{
    live->n_pins--;
    if (live->edit) {
        pthread_mutex_lock(&live->store);
        fc_edit_space_unpin(live->edit);
        pthread_mutex_unlock(&live->store);
    }
}

int fc_live_pin(struct fc_live *live, struct fc_error *err) { return live_pin_commit(live, err); }

void fc_live_resume(struct fc_live *live)
{
    live_lock(live);
    live->holds--;
    pthread_cond_broadcast(&live->quiet);
    live_unlock(live, NULL);
}

void fc_live_unpin(struct fc_live *live)
{
    live_lock(live);
    live_unpin(live);
    live_unlock(live, NULL);
}
