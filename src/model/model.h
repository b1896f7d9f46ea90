/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_MODEL_H
#define QNI_MODEL_H

#include <quern/model.h>

#include "data/loader.h"
#include "graph/plan.h"
#include "layer/layer.h"
#include "optim/optim.h"

#define QNI_PLAN_CACHE 8
#define QNI_MAX_MODEL_IO QN_MAX_OUTPUTS
#define QNI_MAX_TENSORS (3 * QNI_MAX_MODEL_IO + 1)
#define QNI_MAX_NOTES 16
#define QNI_MAX_METERS 33 /* of which each may be reported twice, for training and validation: QN_MAX_LOGS */

/* What a plan of a model is for. */
enum qni_mode { QNI_MODE_TRAIN, QNI_MODE_TEST, QNI_MODE_PREDICT };

struct qni_cached_plan {
    enum qni_mode mode;
    bool weighted;
    int64_t rows;                    /* batch axis of every input */
    qn_shape shape[QNI_MAX_MODEL_IO]; /* of the model's inputs */
    struct qni_plan *plan;
    int held[QNI_PLAN_SLOTS];        /* loader's slot behind each of the plan's slots; -1: none */
    void *staging[QNI_PLAN_SLOTS][3 * QNI_MAX_MODEL_IO]; /* converted or copied inputs, by plan input */
    struct qni_bind place[QNI_MAX_TENSORS]; /* where tensors lie, as in struct qni_feed; zero where there are none */
    uint64_t used;                   /* for the least recently used one to go first */
};

/* A number that is summed up on the device and read now and then: sum, compensation, count, spare. */
struct qni_meter {
    char name[32];
    int variable;                    /* of the graph: [4] f32, see ops/metric */
    qn_metric metric;                /* QN_METRIC_NONE: a loss */
    int output;                      /* whose metric it is */
};

/* A copy of everything that training changes, on the host: keep.c. */
struct qni_kept {
    unsigned char *bytes;            /* weights, then slot by slot, as in a saved file; NULL: no copy */
    uint32_t words[QNI_BLOCK_WORDS]; /* the device block */
    uint64_t step, samples;
    int64_t epoch;
    float lr;
};

struct qn_model {
    qn_device *dev;
    const qn_context *ctx;           /* the device's */
    qn_graph *g;
    struct qni_layer *layer;
    size_t layers, layer_capacity;
    qn_val input[QNI_MAX_MODEL_IO];
    int inputs;
    qn_val output[QNI_MAX_MODEL_IO];
    int outputs;
    bool foreign;                    /* has parts made with level 2 */
    struct qni_masked { int32_t value, mask; } *masked; /* [masks] which values have a mask, and which */
    size_t masks, mask_capacity;
    struct qni_stated { int32_t value, state[2]; } *stated; /* [stateds] results of recurrent layers, and their states */
    size_t stateds, stated_capacity;
    struct qni_carried { int32_t variable, value; } *carried; /* [carries] states kept from batch to batch */
    size_t carries, carried_capacity;
    size_t carry_first, carry_last;  /* nodes that keep them, for plans that sum up no metrics */
    qn_val penalty;                  /* what layers add to the loss; id 0: nothing */

    qn_record *record;               /* [records] epochs, the last ones */
    size_t records, record_room;
    struct qni_note { char *key, *text; } note[QNI_MAX_NOTES];
    int notes;
    qn_prep *prep[2][QNI_MAX_MODEL_IO]; /* of inputs and of targets; NULL: not told */

    qn_val places;                   /* i32 [1,T]: where in the sequence the steps stand, in a model that goes step by step;
                                        id 0 in all others */
    int64_t most_places;             /* how many there are, of which caches keep as many */
    struct qni_stepper *stepper;     /* the model that goes step by step for this one; NULL: not made yet */
    bool stepless;                   /* it cannot be made */

    bool compiled;
    qn_compile_opt opt;
    qn_optimizer optimizer;          /* with the defaults filled in */
    struct qni_optimizer update;
    struct qni_state *state;
    qn_val target[QNI_MAX_MODEL_IO]; /* inputs of the graph, in order of outputs; id 0: no loss */
    qn_val weight;                   /* sample weights [N] */
    qn_val loss[2];                  /* what is minimised: without and with sample weights */
    size_t update_first[2], update_last[2]; /* nodes that sum up metrics, likewise */
    struct qni_meter meter[QNI_MAX_METERS];
    int meters;

    struct qni_cached_plan plan[QNI_PLAN_CACHE];
    int plans;
    uint64_t clock;
    uint64_t plan_arena;             /* last plans' figures, for qn_model_plan_info */

    float lr;
    uint64_t step;                   /* optimizer steps since the weights were initialised */
    uint64_t samples;                /* samples trained on since then */
    int64_t epoch;                   /* epochs begun: shuffling's counter */
    atomic_bool cancel;
    struct qni_kept kept;
    struct qni_choices choices;      /* algorithms of all plans so far, or of those before the model was saved */
};


/* For layers: a single f32 that is added to the loss. */
void qni_model_penalty(qn_model *m, qn_val penalty);

/* ---- step.c: batches through plans ---- */

/* A batch on the host: pointers by input, target, weight. dtype and shape as in the dataset's fields. */
struct qni_feed {
    int64_t rows;
    const void *in[QNI_MAX_MODEL_IO];
    const void *target[QNI_MAX_MODEL_IO];
    const float *weight;             /* NULL: none */
    qn_dtype in_dtype[QNI_MAX_MODEL_IO], target_dtype[QNI_MAX_MODEL_IO];
    bool copy;                       /* the arrays may change after the call: copy them first */
    qn_tensor *const *tensor;        /* in place of all arrays: [QNI_MAX_TENSORS] the graph's inputs, then a prediction's
                                        outputs, NULL where there is none; NULL: arrays */
    bool weighted;                   /* one of them is the samples' weights */
    bool run;                        /* part of a run that qn_model_cancel() ends */
    struct qni_loader *loader;       /* NULL, or the loader that owns the arrays */
    int loader_slot;
};

/* An element as a whole number; -1 where it is none that i32 holds. */
int64_t qni_integer_at(const void *from, qn_dtype dtype, int64_t i);
/* Enqueue one step. plan_out, if not NULL, receives the plan used (predict reads its outputs). */
qn_status qni_model_step(qn_model *m, enum qni_mode mode, const struct qni_feed *feed, struct qni_cached_plan **plan_out);
/* Wait for all steps and hand slots back to the loader. */
qn_status qni_model_drain(qn_model *m, struct qni_loader *loader);
/* The same at the end of a run that came to st: the first error stays, with its message. */
qn_status qni_model_end(qn_model *m, struct qni_loader *loader, qn_status st);
void qni_model_plans_free(qn_model *m);

/* ---- keep.c: the copy on the host ---- */
/* Make the copy new; nothing may be running. */
qn_status qni_model_keep(qn_model *m);
/* Put the copy back where a step has failed half way; QN_E_STATE when there is none. */
qn_status qni_model_whole(qn_model *m);
/* The copy, when it is all there is: the device is lost or what it holds is torn; else NULL. */
const struct qni_kept *qni_model_kept(const qn_model *m);
const void *qni_kept_weight(const qn_model *m, const struct qni_kept *kept, int weight);

void qni_notes_free(qn_model *m);

/* ---- history.c ---- */

/* The epoch that has ended. */
qn_status qni_history_add(qn_model *m, const qn_logs *logs);
void qni_history_free(qn_model *m);
/* The learning rate after an epoch, with the schedule's factor; epochs are taken to have had equally many steps. */
double qni_history_rate(const qn_model *m, const qn_record *r);

/* ---- generate.c ---- */

/* Output 0 has been through a softmax; else it is logits. */
bool qni_model_probabilities(const qn_model *m);

/* ---- preps.c ---- */

void qni_preps_free(qn_model *m);
/* The member "preparation", and back. */

/* ---- stepper.c: one step of a sequence after the other ---- */

/* A model whose layers say of each step what the whole would: attention keeps keys and values, recurrent layers their
 * states. */
struct qni_stepper {
    qn_model *m;                     /* with the same weights */
    struct qni_plan *whole, *one;    /* of most_places steps and of one; NULL: not made yet */
    bool limited;                    /* there are places, most_places of them: some layer counts them */
    bool carries;                    /* states go from step to step: no step may be seen twice, nor one that is padding */
    int32_t *place;                  /* [most_places] 0, 1, ...: they are uploaded from here */
    int32_t *number;                 /* [most_places] likewise */
};

/* The model's, made at the first call; *out NULL where one of its layers needs steps yet to come, or more than it keeps. */
qn_status qni_stepper_get(struct qni_stepper **out, qn_model *m);
void qni_stepper_free(qn_model *m);
/* Forget all steps. */
qn_status qni_stepper_reset(struct qni_stepper *s);
/* See numbers at places [first, first + n) and predict [n,V]; n is 1, or first is 0 and nothing is carried: then
 * prediction is [most_places,V], of which the first n rows count. */
qn_status qni_stepper_see(struct qni_stepper *s, const qn_model *of, const int32_t *number, int64_t first, int64_t n,
                          float *prediction);

/* ---- meters ---- */
qn_status qni_meters_reset(qn_model *m);
qn_status qni_meters_read(qn_model *m, bool block, float (*to)[4], cl_event *event);
void qni_meters_logs(const qn_model *m, float (*from)[4], const char *prefix, qn_logs *out);
void qni_logs_add(qn_logs *logs, const char *prefix, const char *name, double value);

/* ---- progress.c ---- */
struct qni_bar { FILE *to; bool terminal; double last; int width; };
void qni_bar_init(struct qni_bar *b, FILE *to);
void qni_bar_show(struct qni_bar *b, const qn_progress *p);

double qni_now(void); /* seconds, monotonic */

#endif
