/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "harm.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_HARMS 8
#define MOST_ARGS  64
#define MOST_TEXT  64

enum deed {
    CRASH,
    HANG,
    REFUSE,
    FLIP, /* bits of what a kernel wrote */
    SKIP, /* the last work-group of a launch */
    DEEDS
};

static const char *const deeds[DEEDS] = { "crash", "hang", "refuse", "flip", "skip" };

static struct harm {
    enum deed deed;
    enum layer_call call;
    long long left;       /* calls that still pass */
    char text[MOST_TEXT]; /* that a program's source, or a kernel's part of it, has; "": any */
} harm[MOST_HARMS];
static int harms;

struct program {
    cl_program id;
    char *source;
};

struct kernel {
    cl_kernel id;
    unsigned harms; /* a bit for each that is about it */
    cl_mem arg[MOST_ARGS];
};

/* What handles stand for, which are the first member. None is forgotten, and the latest of a name counts. */
struct list {
    char *items;
    size_t n, size;
};

static struct list programs = { .size = sizeof(struct program) }, kernels = { .size = sizeof(struct kernel) },
                   buffers = { .size = sizeof(cl_mem) };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void harm_plan(const char *text, const char *const names[LAYER_CALLS])
{
    char deed[16], call[40];
    long long after;
    int used;

    pthread_mutex_lock(&lock);
    harms = 0;
    while (text && harms < MOST_HARMS && sscanf(text, "%15[^:]:%39[^:]:%lld:%n", deed, call, &after, &used) == 3) {
        const size_t n = strcspn(text += used, ";");
        struct harm *h = &harm[harms];

        h->deed = DEEDS;
        h->call = LAYER_CALLS;
        h->left = after;
        snprintf(h->text, sizeof(h->text), "%.*s", (int)n, text);
        for (int i = 0; i < DEEDS; i++)
            h->deed = strcmp(deed, deeds[i]) ? h->deed : (enum deed)i;
        for (int i = 0; i < LAYER_CALLS; i++)
            h->call = strcmp(call, names[i]) ? h->call : (enum layer_call)i;
        if (h->deed == DEEDS || h->call == LAYER_CALLS) {
            fprintf(stderr, "the OpenCL layer knows no %s of %s\n", deed, call);
            abort();
        }
        harms++;
        text += n + (text[n] == ';');
    }
    pthread_mutex_unlock(&lock);
}

/* ---- what there is ---- */

static void *find(const struct list *l, const void *id)
{
    for (size_t i = l->n; i--;)
        if (!memcmp(l->items + i * l->size, &id, sizeof(id)))
            return l->items + i * l->size;
    return NULL;
}

/* A place for a handle; the old one where there was one of that name. */
static void *add(struct list *l, const void *id)
{
    char *item = find(l, id);

    if (item)
        return item;
    l->items = realloc(l->items, (l->n + 1) * l->size);
    if (!l->items)
        abort();
    item = l->items + l->n++ * l->size;
    memset(item, 0, l->size);
    memcpy(item, &id, sizeof(id));
    return item;
}

static char *join(cl_uint n, const char **text, const size_t *bytes)
{
    char *all = NULL;
    size_t size;
    FILE *f = open_memstream(&all, &size);

    for (cl_uint i = 0; f && i < n; i++)
        fwrite(text[i], 1, bytes && bytes[i] ? bytes[i] : strlen(text[i]), f);
    if (!f || fclose(f))
        abort();
    return all;
}

void harm_note_program(cl_program p, cl_uint n, const char **text, const size_t *bytes)
{
    struct program *to;

    pthread_mutex_lock(&lock);
    if (harms && p) {
        to = add(&programs, p);
        free(to->source);
        to->source = join(n, text, bytes);
    }
    pthread_mutex_unlock(&lock);
}

/* Has a kernel's part of its program a text? The part is what stands between the #define of the suffix that ends its name and
 * the #undef, and all of it where there is none. */
static int is_about(const char *source, const char *name, const char *text)
{
    const char *suffix = strrchr(name, '_'), *begin = source, *end, *at;
    char mark[128];

    snprintf(mark, sizeof(mark), "#define QN_SUFFIX %s\n", suffix ? suffix : "");
    at = strstr(source, mark);
    begin = at ? at : source;
    end = at ? strstr(at, "#undef QN_SUFFIX\n") : NULL;
    at = strstr(begin, text);
    return at && (!end || at < end);
}

void harm_note_kernel(cl_kernel k, cl_program p, const char *name)
{
    const struct program *of;
    struct kernel *to;

    pthread_mutex_lock(&lock);
    if (harms && k) {
        of = find(&programs, p);
        to = add(&kernels, k);
        memset(to->arg, 0, sizeof(to->arg));
        to->harms = 0;
        for (int i = 0; of && i < harms; i++)
            to->harms |= (unsigned)is_about(of->source, name, harm[i].text) << i;
    }
    pthread_mutex_unlock(&lock);
}

void harm_note_buffer(cl_mem m)
{
    pthread_mutex_lock(&lock);
    if (harms && m)
        add(&buffers, m);
    pthread_mutex_unlock(&lock);
}

void harm_note_arg(cl_kernel k, cl_uint index, size_t bytes, const void *value)
{
    struct kernel *of;
    void *m;

    pthread_mutex_lock(&lock);
    of = harms ? find(&kernels, k) : NULL;
    if (of && of->harms && value && bytes == sizeof(m) && index < MOST_ARGS) {
        memcpy(&m, value, sizeof(m));
        of->arg[index] = find(&buffers, m) ? m : NULL;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- what is done ---- */

/* The harms that a call suffers now, a bit each. */
static unsigned due(enum layer_call call, cl_program p, cl_kernel k)
{
    const struct program *about = p ? find(&programs, p) : NULL;
    const struct kernel *of = k ? find(&kernels, k) : NULL;
    unsigned bits = 0;

    for (int i = 0; i < harms; i++) {
        const char *text = harm[i].text;

        if (harm[i].call != call && harm[i].call != LAYER_ANY)
            continue;
        if (*text && !(p && about && strstr(about->source, text)) && !(k && of && of->harms >> i & 1))
            continue;
        if (harm[i].left-- <= 0)
            bits |= 1u << i;
    }
    return bits;
}

static void crash(void)
{
    signal(SIGSEGV, SIG_DFL); /* whatever a sanitizer would say */
    raise(SIGSEGV);
}

/* Crash, hang or refuse, as is due. */
static cl_int suffer(unsigned bits, enum layer_call call)
{
    for (int i = 0; i < MOST_HARMS; i++) {
        if (!(bits >> i & 1))
            continue;
        if (harm[i].deed == CRASH)
            crash();
        while (harm[i].deed == HANG)
            pause();
        if (harm[i].deed == REFUSE)
            return call == LAYER_BUILD_PROGRAM ? CL_BUILD_PROGRAM_FAILURE : CL_OUT_OF_RESOURCES;
    }
    return CL_SUCCESS;
}

cl_int harm_call(enum layer_call call, cl_program p, cl_kernel k)
{
    unsigned bits;

    if (!harms || call == LAYER_ND_RANGE)
        return CL_SUCCESS;
    pthread_mutex_lock(&lock);
    bits = due(call, p, k);
    pthread_mutex_unlock(&lock);
    return suffer(bits, call);
}

/* One work-group less along the longest axis; false where there is but one. */
static int shorten(size_t global[3], cl_uint dims, const size_t *local)
{
    cl_uint axis = 0;
    size_t most = 0;

    for (cl_uint d = 0; d < dims; d++) {
        const size_t groups = global[d] / (local ? local[d] : 1);

        if (groups > most) {
            most = groups;
            axis = d;
        }
    }
    if (most < 2)
        return 0;
    global[axis] -= local ? local[axis] : 1;
    return 1;
}

/* A copy of a buffer's words, and room for another. */
static cl_int copy_words(uint32_t **out, size_t *words, const cl_icd_dispatch *next, cl_command_queue q, cl_mem m)
{
    size_t bytes = 0;

    if (next->clGetMemObjectInfo(m, CL_MEM_SIZE, sizeof(bytes), &bytes, NULL) || bytes < 4)
        return CL_SUCCESS;
    *words = bytes / 4;
    *out = calloc(2 * *words, 4);
    if (!*out)
        abort();
    return next->clEnqueueReadBuffer(q, m, CL_TRUE, 0, *words * 4, *out, 0, NULL, NULL);
}

/* In the first and in the last word that differ from what was there: of a float the highest bit of its fraction, of 0 those
 * of 1. */
static cl_int flip(const cl_icd_dispatch *next, cl_command_queue q, cl_mem m, uint32_t *before, size_t words)
{
    uint32_t *after = before + words;
    size_t at[2] = { 0, words };
    cl_int e = next->clEnqueueReadBuffer(q, m, CL_TRUE, 0, words * 4, after, 0, NULL, NULL);

    while (at[0] < words && before[at[0]] == after[at[0]])
        at[0]++;
    while (at[1] > at[0] && before[at[1] - 1] == after[at[1] - 1])
        at[1]--;
    for (size_t i = 0; !e && i < 2 && at[1] > at[0] + i; i++) { /* a word alone once */
        const size_t word = i ? at[1] - 1 : at[0];

        after[word] ^= after[word] & 0x7f800000 ? 0x400000 : 0x3f800000;
        e = next->clEnqueueWriteBuffer(q, m, CL_TRUE, word * 4, 4, &after[word], 0, NULL, NULL);
    }
    return e;
}

/* Launch, and then turn bits in each buffer that the kernel changed. */
static cl_int launch_and_flip(const cl_icd_dispatch *next, cl_command_queue q, cl_kernel k, const cl_mem arg[MOST_ARGS],
                              cl_uint dims, const size_t *offset, const size_t *global, const size_t *local, cl_event *event)
{
    uint32_t *before[MOST_ARGS] = { NULL };
    size_t words[MOST_ARGS] = { 0 };
    cl_int e = CL_SUCCESS;

    for (int i = 0; i < MOST_ARGS && !e; i++) {
        int same = 0;

        while (same < i && arg[same] != arg[i])
            same++;
        if (arg[i] && same == i)
            e = copy_words(&before[i], &words[i], next, q, arg[i]);
    }
    e = e ? e : next->clEnqueueNDRangeKernel(q, k, dims, offset, global, local, 0, NULL, event);
    for (int i = 0; i < MOST_ARGS; i++) {
        if (before[i] && !e)
            e = flip(next, q, arg[i], before[i], words[i]);
        free(before[i]);
    }
    return e;
}

cl_int harm_launch(const cl_icd_dispatch *next, cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset,
                   const size_t *global, const size_t *local, cl_uint waits, const cl_event *wait, cl_event *event)
{
    size_t fewer[3] = { 1, 1, 1 };
    cl_mem arg[MOST_ARGS] = { NULL };
    const struct kernel *of;
    unsigned bits = 0;
    int flips = 0, skips = 0;
    cl_int e;

    if (harms) {
        pthread_mutex_lock(&lock);
        bits = due(LAYER_ND_RANGE, NULL, k);
        of = find(&kernels, k);
        if (of)
            memcpy(arg, of->arg, sizeof(arg));
        pthread_mutex_unlock(&lock);
    }
    if ((e = suffer(bits, LAYER_ND_RANGE)))
        return e;
    for (int i = 0; i < harms; i++) {
        flips |= bits >> i & 1 && harm[i].deed == FLIP;
        skips |= bits >> i & 1 && harm[i].deed == SKIP;
    }
    memcpy(fewer, global, dims * sizeof(*global));
    if (skips && !shorten(fewer, dims, local))
        return next->clEnqueueMarkerWithWaitList(q, waits, wait, event);
    if (flips && !(waits && (e = next->clWaitForEvents(waits, wait))))
        return launch_and_flip(next, q, k, arg, dims, offset, fewer, local, event);
    return e ? e : next->clEnqueueNDRangeKernel(q, k, dims, offset, fewer, local, waits, wait, event);
}
