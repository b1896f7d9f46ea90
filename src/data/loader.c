/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Workers claim batches in order, each with a free slot, and fill them; the owner takes them in order. One lock guards
 * everything but the slots' contents, which belong to whoever claimed or took the slot. A start or the end bumps
 * nothing while workers fill: it first waits until none does. */
#include <signal.h>
#include <time.h>

#include "data/loader.h"

#define PAGE 4096

enum slot_state { FREE, FILLING, READY, TAKEN };

struct slot {
    enum slot_state state;
    int64_t number; /* of the batch, while not FREE */
    int64_t samples;
    qn_status status; /* of filling it */
    char message[512];
    void *field[QN_MAX_FIELDS];
};

struct worker {
    struct qni_loader *loader;
    pthread_t thread;
    int64_t *index; /* [batch] */
    void *scratch_block;
    unsigned char *scratch;
};

struct qni_loader {
    qn_context *ctx;
    qn_dataset *ds;
    struct qni_loader_opt opt;
    int64_t samples, batches;
    size_t field_bytes[QN_MAX_FIELDS]; /* of a slot's buffer */
    void *slots_block;
    struct slot *slot;     /* [opt.slots] */
    struct worker *worker; /* [opt.threads], or one for the owner's own work */
    int started;           /* threads to join */
    uint32_t *order32;     /* the epoch's order, when shuffled */
    uint64_t *order64;

    pthread_mutex_t lock;
    pthread_cond_t work;  /* a slot is free, an epoch begins, or the end: for workers */
    pthread_cond_t ready; /* a slot is filled or free, or cancelled: for the owner */
    bool have_lock, have_work, have_ready;
    bool running; /* an epoch is started: workers may claim */
    bool stop, cancelled;
    int filling; /* workers that fill a slot */
    int64_t epoch;
    int64_t claim; /* next batch to prepare */
    int64_t take;  /* next batch to hand out */
    int64_t waited_ns;
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t batch_samples(const struct qni_loader *l, int64_t number)
{
    return QNI_MIN(l->opt.batch, l->samples - number * l->opt.batch);
}

/* Without the lock: the slot is FILLING for this worker. */
static void fill(struct qni_loader *l, struct worker *w, struct slot *s)
{
    int64_t first = s->number * l->opt.batch;
    struct qni_read r = {.index = w->index,
                         .count = s->samples,
                         .out = s->field,
                         .scratch = w->scratch,
                         .seed = l->opt.seed,
                         .epoch = l->epoch};

    for (int64_t i = 0; i < s->samples; i++)
        w->index[i] = !l->opt.shuffle ? first + i
                      : l->order32    ? (int64_t)l->order32[first + i]
                                      : (int64_t)l->order64[first + i];
    s->status = qni_dataset_read(l->ds, &r);
    if (s->status)
        qni_error_take(s->message, sizeof(s->message));
}

/* With the lock: a free slot for the next batch, or NULL. */
static struct slot *claim(struct qni_loader *l)
{
    if (!l->running || l->cancelled || l->claim >= l->batches)
        return NULL;
    for (int i = 0; i < l->opt.slots; i++) {
        struct slot *s = &l->slot[i];

        if (s->state == FREE) {
            s->state = FILLING;
            s->number = l->claim++;
            s->samples = batch_samples(l, s->number);
            l->filling++;
            return s;
        }
    }
    return NULL;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct qni_loader *l = w->loader;
    struct slot *s;

    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        if (!(s = claim(l))) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        fill(l, w, s);
        pthread_mutex_lock(&l->lock);
        s->state = READY;
        l->filling--;
        pthread_cond_broadcast(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Signals are the program's affair: workers take none. */
static qn_status start_workers(struct qni_loader *l)
{
    sigset_t all, before;
    int err = 0;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before))
        return qni_error(QN_E_INTERNAL, "the signal mask cannot be set");
    while (l->started < l->opt.threads && !err) {
        err = pthread_create(&l->worker[l->started].thread, NULL, work, &l->worker[l->started]);
        l->started += !err;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* With at least one thread the batches come, more slowly. */
    if (err && !l->started)
        return qni_error(QN_E_HOST_MEMORY, "no thread can be started: %s", strerror(err));
    return QN_OK;
}

static qn_status make_slots(struct qni_loader *l)
{
    size_t slot_bytes = 0, all;
    unsigned char *at;
    qn_status st;

    for (int f = 0; f < l->ds->fields; f++) {
        size_t *bytes = &l->field_bytes[f];

        if (qni_mul_overflows(l->ds->sample_bytes[f], (size_t)l->opt.batch, bytes) ||
            qni_add_overflows(*bytes, PAGE - 1, bytes) ||
            qni_add_overflows(slot_bytes, *bytes & ~(size_t)(PAGE - 1), &slot_bytes))
            return qni_error(QN_E_HOST_MEMORY, "a batch of %lld samples does not fit in an address space",
                             (long long)l->opt.batch);
        *bytes &= ~(size_t)(PAGE - 1);
    }
    if (qni_mul_overflows(slot_bytes, (size_t)l->opt.slots, &all))
        return qni_error(QN_E_HOST_MEMORY, "%d batches of %lld samples do not fit in an address space", l->opt.slots,
                         (long long)l->opt.batch);
    if ((st = qni_calloc(l->ctx, &l->slot, (size_t)l->opt.slots, sizeof(*l->slot))) != QN_OK ||
        (st = qni_pages(l->ctx, &l->slots_block, &at, all)) != QN_OK)
        return st;
    for (int i = 0; i < l->opt.slots; i++)
        for (int f = 0; f < l->ds->fields; f++) {
            l->slot[i].field[f] = at;
            at += l->field_bytes[f];
        }
    return QN_OK;
}

static qn_status make_workers(struct qni_loader *l)
{
    int n = QNI_MAX(l->opt.threads, 1);
    qn_status st;

    if ((st = qni_calloc(l->ctx, &l->worker, (size_t)n, sizeof(*l->worker))) != QN_OK)
        return st;
    for (int i = 0; i < n; i++) {
        struct worker *w = &l->worker[i];

        w->loader = l;
        if ((st = qni_calloc(l->ctx, &w->index, (size_t)QNI_MIN(l->opt.batch, QNI_MAX(l->samples, 1)),
                             sizeof(*w->index))) != QN_OK ||
            (l->ds->scratch && (st = qni_pages(l->ctx, &w->scratch_block, &w->scratch, l->ds->scratch)) != QN_OK))
            return st;
    }
    return QN_OK;
}

static qn_status make_order(struct qni_loader *l)
{
    if (!l->opt.shuffle)
        return QN_OK;
    if (l->ds->samples <= (int64_t)UINT32_MAX)
        return qni_calloc(l->ctx, &l->order32, (size_t)l->ds->samples, sizeof(*l->order32));
    return qni_calloc(l->ctx, &l->order64, (size_t)l->ds->samples, sizeof(*l->order64));
}

static qn_status make_locks(struct qni_loader *l)
{
    if (!(l->have_lock = pthread_mutex_init(&l->lock, NULL) == 0) ||
        !(l->have_work = pthread_cond_init(&l->work, NULL) == 0) ||
        !(l->have_ready = pthread_cond_init(&l->ready, NULL) == 0))
        return qni_error(QN_E_HOST_MEMORY, "no memory for a lock");
    return QN_OK;
}

qn_status qni_loader_create(struct qni_loader **out, qn_dataset *ds, const struct qni_loader_opt *opt)
{
    struct qni_loader *l = NULL;
    qn_status st;

    *out = NULL;
    if (!ds || opt->batch < 1 || opt->threads < 0 || opt->slots < 0)
        return qni_error(QN_E_ARG, "a loader of %lld samples a batch, %d threads and %d slots, on %s",
                         (long long)opt->batch, opt->threads, opt->slots, ds ? "a dataset" : "no dataset");
    if (ds->samples == QN_ANY)
        return qni_error(QN_E_UNSUPPORTED, "the dataset's number of samples is not known");
    if ((st = qni_calloc(ds->ctx, &l, 1, sizeof(*l))) != QN_OK)
        return st;
    l->ctx = qni_context_retain(ds->ctx);
    l->ds = qni_dataset_retain(ds);
    l->opt = *opt;
    l->opt.threads = QNI_MIN(l->opt.threads, qni_thread_limit(l->ctx));
    if (!l->opt.slots)
        l->opt.slots = l->opt.threads + 2;
    l->opt.threads = QNI_MIN(l->opt.threads, l->opt.slots);
    l->samples = opt->drop_remainder ? ds->samples / opt->batch * opt->batch : ds->samples;
    l->batches = l->samples / opt->batch + (l->samples % opt->batch != 0);
    l->opt.batch = QNI_MIN(l->opt.batch, QNI_MAX(l->samples, 1)); /* slots are of that size */
    if ((st = make_locks(l)) != QN_OK || (st = make_slots(l)) != QN_OK || (st = make_workers(l)) != QN_OK ||
        (st = make_order(l)) != QN_OK || (st = start_workers(l)) != QN_OK)
        goto done;
    *out = l;
    l = NULL;
done:
    qni_loader_destroy(&l);
    return st;
}

void qni_loader_destroy(struct qni_loader **loader)
{
    struct qni_loader *l = loader ? *loader : NULL;
    qn_context *ctx;

    if (!l)
        return;
    *loader = NULL;
    ctx = l->ctx;
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_broadcast(&l->work);
        pthread_mutex_unlock(&l->lock);
    }
    for (int i = 0; i < l->started; i++)
        pthread_join(l->worker[i].thread, NULL);
    for (int i = 0; l->worker && i < QNI_MAX(l->opt.threads, 1); i++) {
        qni_free(ctx, &l->worker[i].index);
        qni_free(ctx, &l->worker[i].scratch_block);
    }
    if (l->have_ready)
        pthread_cond_destroy(&l->ready);
    if (l->have_work)
        pthread_cond_destroy(&l->work);
    if (l->have_lock)
        pthread_mutex_destroy(&l->lock);
    qni_free(ctx, &l->worker);
    qni_free(ctx, &l->slot);
    qni_free(ctx, &l->slots_block);
    qni_free(ctx, &l->order32);
    qni_free(ctx, &l->order64);
    qn_dataset_close(&l->ds);
    qni_free(ctx, &l);
    qni_context_release(&ctx);
}

qn_status qni_loader_start(struct qni_loader *l, int64_t epoch, int64_t batch)
{
    if (batch < 0 || batch > l->batches || epoch < 0)
        return qni_error(QN_E_ARG, "batch %lld of epoch %lld, expected 0 to %lld", (long long)batch, (long long)epoch,
                         (long long)l->batches);
    pthread_mutex_lock(&l->lock);
    l->running = false;
    while (l->filling)
        pthread_cond_wait(&l->ready, &l->lock);
    for (int i = 0; i < l->opt.slots; i++)
        if (l->slot[i].state == READY)
            l->slot[i].state = FREE;
    pthread_mutex_unlock(&l->lock);
    /* No worker looks at the order or the epoch now. */
    if (l->order32)
        qni_permutation32(l->order32, (uint32_t)l->ds->samples, l->opt.seed, epoch);
    if (l->order64)
        qni_permutation64(l->order64, (uint64_t)l->ds->samples, l->opt.seed, epoch);
    pthread_mutex_lock(&l->lock);
    l->epoch = epoch;
    l->claim = l->take = batch;
    l->cancelled = false;
    l->running = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    return QN_OK;
}

/* With the lock: the slot with the next batch, or NULL. */
static struct slot *find_next(struct qni_loader *l)
{
    for (int i = 0; i < l->opt.slots; i++)
        if (l->slot[i].state == READY && l->slot[i].number == l->take)
            return &l->slot[i];
    return NULL;
}

/* With the lock: prepare the next batch in the owner's thread, or wait for a free slot. */
static void prepare_here(struct qni_loader *l)
{
    struct slot *s = claim(l);

    if (!s) {
        pthread_cond_wait(&l->ready, &l->lock);
        return;
    }
    pthread_mutex_unlock(&l->lock);
    fill(l, &l->worker[0], s);
    pthread_mutex_lock(&l->lock);
    s->state = READY;
    l->filling--;
}

qn_status qni_loader_next(struct qni_loader *l, struct qni_batch *out)
{
    struct slot *s = NULL;
    int64_t from = 0;
    qn_status st = QN_OK;

    *out = (struct qni_batch){.slot = -1};
    pthread_mutex_lock(&l->lock);
    if (!l->running) {
        st = qni_error(QN_E_STATE, "no epoch is started");
        goto done;
    }
    out->number = l->take;
    out->first = l->take * l->opt.batch;
    while (!l->cancelled && l->take < l->batches && !(s = find_next(l))) {
        if (!from)
            from = now_ns();
        if (l->started)
            pthread_cond_wait(&l->ready, &l->lock);
        else
            prepare_here(l);
    }
    if (from)
        l->waited_ns += now_ns() - from;
    if (l->cancelled) {
        st = qni_error(QN_E_CANCELLED, "cancelled");
    } else if (s && s->status) { /* it stays READY: later calls find it again */
        qni_error_put(s->message);
        st = s->status;
    } else if (s) {
        s->state = TAKEN;
        l->take++;
        out->slot = (int)(s - l->slot);
        out->samples = s->samples;
        out->field = s->field;
    }
done:
    pthread_mutex_unlock(&l->lock);
    return st;
}

void qni_loader_release(struct qni_loader *l, int slot)
{
    if (slot < 0 || slot >= l->opt.slots)
        return;
    pthread_mutex_lock(&l->lock);
    if (l->slot[slot].state == TAKEN) {
        l->slot[slot].state = FREE;
        pthread_cond_signal(&l->work);
        if (!l->started)
            pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
}

void qni_loader_cancel(struct qni_loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->cancelled = true;
    pthread_cond_broadcast(&l->ready);
    pthread_mutex_unlock(&l->lock);
}

int64_t qni_loader_waited_ns(struct qni_loader *l)
{
    int64_t ns;

    pthread_mutex_lock(&l->lock);
    ns = l->waited_ns;
    pthread_mutex_unlock(&l->lock);
    return ns;
}

int64_t qni_loader_batches(const struct qni_loader *l)
{
    return l->batches;
}

int64_t qni_loader_samples(const struct qni_loader *l)
{
    return l->samples;
}

int qni_loader_slots(const struct qni_loader *l)
{
    return l->opt.slots;
}

int qni_loader_threads(const struct qni_loader *l)
{
    return l->started;
}

void *qni_loader_buffer(const struct qni_loader *l, int slot, int field)
{
    return slot >= 0 && slot < l->opt.slots && field >= 0 && field < l->ds->fields ? l->slot[slot].field[field] : NULL;
}

size_t qni_loader_buffer_bytes(const struct qni_loader *l, int field)
{
    return field >= 0 && field < l->ds->fields ? l->field_bytes[field] : 0;
}
