/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Batches of a dataset, prepared ahead by worker threads in slots whose memory is allocated once.
 *
 * One thread starts epochs and takes batches (the owner); any thread may release slots, cancel, or ask for the time
 * waited. The order of the samples depends on seed and epoch alone, not on the number of workers or slots. From the
 * first batch on nothing is allocated.
 *
 *     qni_loader_create(&l, ds, &opt);
 *     for (epoch...) {
 *         qni_loader_start(l, epoch, 0);
 *         while ((st = qni_loader_next(l, &batch)) == QN_OK && batch.samples) {
 *             ... upload batch.field[f] ...
 *             qni_loader_release(l, batch.slot);      (when the upload is complete)
 *         }
 *     }
 *     qni_loader_destroy(&l); */
#ifndef QNI_DATA_LOADER_H
#define QNI_DATA_LOADER_H

#include "data/data.h"

struct qni_loader;

struct qni_loader_opt {
    int64_t batch;       /* samples a batch, 1 or more */
    bool shuffle;        /* by (seed, epoch); otherwise in the dataset's order */
    bool drop_remainder; /* leave a short last batch out */
    uint64_t seed;
    int threads; /* workers; 0: the owner prepares each batch when it asks for it. Bounded by the context's
                          * limit and by the slots */
    int slots;   /* 1 or more; 0: workers + 2 */
};

struct qni_batch {
    int slot;           /* to release */
    int64_t number;     /* of the batch in its epoch */
    int64_t first;      /* position of its first sample in the epoch: number * batch */
    int64_t samples;    /* valid ones; 0: the epoch is over, and there is no slot to release */
    void *const *field; /* [fields] the slot's buffers, each for `batch` samples; rows from `samples` on hold zeros or
                          * older samples. Until the release */
};

/* No epoch is started yet. ds is retained; its context gives allocator and thread limit. QN_E_UNSUPPORTED when the
 * number of samples is not known. */
qn_status qni_loader_create(struct qni_loader **out, qn_dataset *ds, const struct qni_loader_opt *opt);
/* Joins the workers first. Every slot may be reused afterwards: their uploads must be complete. */
void qni_loader_destroy(struct qni_loader **l);

/* Go to a batch of an epoch, from wherever the loader is; batches prepared and not taken are dropped, slots taken stay
 * taken until released. Ends an earlier error or cancellation. */
qn_status qni_loader_start(struct qni_loader *l, int64_t epoch, int64_t batch);
/* The next batch; waits when it is not ready. A worker's error comes here, with its message, in the place of its batch
 * and from then on. QN_E_CANCELLED after qni_loader_cancel(), QN_E_STATE before the first start. */
qn_status qni_loader_next(struct qni_loader *l, struct qni_batch *out);
/* Any thread. The slot's buffers may be overwritten from now on. */
void qni_loader_release(struct qni_loader *l, int slot);
/* Any thread, not from a signal handler: next() fails at once, and until the next start. */
void qni_loader_cancel(struct qni_loader *l);

int64_t qni_loader_batches(const struct qni_loader *l); /* of a whole epoch */
int64_t qni_loader_samples(const struct qni_loader *l); /* of a whole epoch, without a dropped remainder */
int qni_loader_slots(const struct qni_loader *l);
int qni_loader_threads(const struct qni_loader *l);
/* A slot's buffer of a field: the same for the loader's whole life, aligned to 4096, a multiple of 4096 long. */
void *qni_loader_buffer(const struct qni_loader *l, int slot, int field);
size_t qni_loader_buffer_bytes(const struct qni_loader *l, int field);
/* Time the owner has waited in next() since creation (with no workers: prepared), in nanoseconds. Any thread. */
int64_t qni_loader_waited_ns(struct qni_loader *l);

/* permute.c: 0 to n - 1 in an order that depends on seed and epoch alone. */
void qni_permutation32(uint32_t *out, uint32_t n, uint64_t seed, int64_t epoch);
void qni_permutation64(uint64_t *out, uint64_t n, uint64_t seed, int64_t epoch);

#endif
