/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What comes next: numbers drawn from a model's predictions, one after another. */
#ifndef QUERN_GENERATE_H
#define QUERN_GENERATE_H

#include <quern/model.h>

QN_BEGIN_DECLS

/** How a number is drawn from logits. */
typedef struct qn_sampling {
    bool greedy;            /**< the largest, of equal ones the first; the rest is then not looked at */
    float temperature;      /**< logits are divided by it; 0: 1 */
    int top_k;              /**< only the k largest; 0: all */
    float top_p;            /**< of these only the most likely that together reach this probability; 0: all */
    uint64_t seed;          /**< equal seeds draw equal numbers from equal logits */
    uintptr_t reserved[4];  /**< must be zero */
} qn_sampling;

/**
 * Draw a number from logits on the host.
 *
 * @param out       receives 0 to n - 1
 * @param logits    [n] any scale; -infinity: never
 * @param n         1 or more
 * @param sampling  NULL for the defaults
 * @param draw      the draw's number: with the seed it fixes the random number
 *
 * @retval QN_OK             drawn
 * @retval QN_E_ARG          a pointer is NULL, n is below 1, an option is out of range, or a logit is NaN or infinite
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_sampling_draw(int32_t *out, const float *logits, int64_t n, const qn_sampling *sampling, uint64_t draw);

/** What qn_generate() is told. */
typedef struct qn_generate_opt {
    qn_sampling sampling;   /**< how numbers are drawn */
    /** Called with each number as it is drawn; it may set *stop. What it returns, if not QN_OK, ends the run. */
    qn_status (*call)(void *user, int32_t number, bool *stop);
    void *user;             /**< handed to it */
    bool no_cache;          /**< predict the whole window for every number, also where one step of it would do */
    uintptr_t reserved[4];  /**< must be zero */
} qn_generate_opt;

/**
 * Continue a sequence.
 *
 * The model reads numbers [T] and predicts, for each step, what comes next: logits or a softmax's probabilities [T,V]; no
 * step may depend on later ones. Each number is drawn from the last step's prediction and put behind the sequence. The
 * model sees a window of at most T numbers; when it is full, its later half is kept (T / 2). Draw i has the number
 * prompt_count + i, so that going on equals not having stopped.
 *
 * Where every layer allows it, what the model has made of earlier steps is kept (keys and values of causal self-attention,
 * states of recurrent layers), the prompt is seen once, and a number costs one step. Recurrent models then have no window:
 * all that came before counts.
 *
 * @param m             compiled; one input i32 [T], one output f32 [T,V]
 * @param prompt        [prompt_count] numbers to begin with
 * @param prompt_count  1 or more
 * @param out           [count] receives what was drawn; may be NULL
 * @param count         numbers to draw; 0 or more
 * @param drawn         receives how many were; may be NULL
 * @param opt           NULL for the defaults
 *
 * @retval QN_OK           count are drawn, or the callback stopped it
 * @retval QN_E_ARG        an option or number is out of range
 * @retval QN_E_SHAPE      the model's input or output is not of that kind
 * @retval QN_E_STATE      the model is not compiled
 * @retval QN_E_CANCELLED  qn_model_cancel() was called
 *
 * Threads: as all functions of a model.
 */
QN_API qn_status qn_generate(qn_model *m, const int32_t *prompt, int64_t prompt_count, int32_t *out, int64_t count,
                             int64_t *drawn, const qn_generate_opt *opt);

QN_END_DECLS

#endif
