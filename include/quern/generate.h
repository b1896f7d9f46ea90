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

/** What qn_beam_search() is told. */
typedef struct qn_beam_opt {
    int width;              /**< results that are followed at once, 1 to 1024; 0: 1, which is greedy */
    float length_penalty;   /**< how much longer results are helped, 0 to 10; 0: not at all; 0.6 to 1 is usual */
    int64_t most;           /**< numbers of a result, the end among them; 0: T, which is the most */
    int32_t begin;          /**< the number that the model sees before the first one */
    int32_t end;            /**< the number after which nothing comes; below 0: there is none */
    int batch;              /**< sequences that the model sees at once; 0: 64, or the width if that is more */
    uintptr_t reserved[4];  /**< must be zero */
} qn_beam_opt;

/**
 * Sequences for sources: translation, by greedy or beam search.
 *
 * The model reads a source and the numbers [T] so far, and predicts, for each of them, what comes next: logits or a
 * softmax's probabilities [T,V]; no step may depend on later ones. A search begins with the number begin. Each step goes on
 * from all results so far with every number, and keeps the likeliest: width of them, less the finished ones. A result is
 * finished once it ends in the number end or has the most numbers, and never goes on. The answer is the finished result with
 * the largest score
 *
 *     score(y) = log P(y | source) / ((5 + length(y)) / 6)^length_penalty,
 *
 * the length counting the end. Where sums of logarithms are equal, the one that goes on from the better result comes first,
 * then that with the smaller number; where scores are equal, the result that was finished first. A search ends early where
 * none of what is left could still have a larger score. Logarithms are added in double precision; the results do not depend
 * on the batch, as far as the model's predictions do not.
 *
 * What the model sees is padded behind with 0. It sees all numbers so far at every step: nothing is kept between them.
 *
 * @param m       compiled; input 0 of any kind, input 1 i32 [T], one output f32 [T,V]
 * @param source  [n, input 0's sample] borrowed
 * @param n       0 or more
 * @param out     [n, most] receives the results, without begin, with end where it came; 0 behind
 * @param count   [n] receives how many numbers each has, the end among them
 * @param score   [n] receives the scores; may be NULL
 * @param opt     copied
 *
 * @retval QN_OK             each source has a result
 * @retval QN_E_ARG          a pointer is NULL, an option is out of range, or a prediction is NaN or infinite
 * @retval QN_E_SHAPE        the model's inputs or output are not of that kind
 * @retval QN_E_STATE        the model is not compiled
 * @retval QN_E_HOST_MEMORY  out of memory
 * @retval QN_E_CANCELLED    qn_model_cancel() was called
 *
 * Threads: as all functions of a model.  Source: the length penalty is Wu et al. 2016's (GNMT), without its coverage penalty.
 */
QN_API qn_status qn_beam_search(qn_model *m, const void *source, int64_t n, int32_t *out, int64_t *count, double *score,
                                const qn_beam_opt *opt);

QN_END_DECLS

#endif
