/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 3: models. Build with the functions of quern/layer.h, compile, fit,
 * evaluate, predict, save. One thread per model at a time, but for
 * qn_model_cancel(). */
#ifndef QUERN_MODEL_H
#define QUERN_MODEL_H

#include <stdio.h>

#include <quern/data.h>
#include <quern/layer.h>
#include <quern/optim.h>

QN_BEGIN_DECLS

/** Losses; each is the mean over samples, times the sample weights if there are any. */
typedef enum qn_loss {
    QN_LOSS_NONE = 0,
    QN_SPARSE_CATEGORICAL_CROSSENTROPY, /**< targets: class numbers [N] i32 */
    QN_CATEGORICAL_CROSSENTROPY,        /**< targets: probabilities [N,C] f32 */
    QN_BINARY_CROSSENTROPY,             /**< targets: 0 or 1, of the output's shape, f32 */
    QN_MSE,                             /**< mean squared error */
    QN_MAE,                             /**< mean absolute error */
    QN_HUBER,                           /**< delta 1 */
    QN_LOG_COSH,                        /**< log(cosh(error)) */
    QN_HINGE,                           /**< targets: -1 or 1, or everywhere 0 or 1 */
    QN_SQUARED_HINGE,                   /**< the same, squared */
    QN_CATEGORICAL_HINGE,               /**< targets: one-hot [N,C] */
    QN_KL_DIVERGENCE,                   /**< targets: probabilities [N,C]; so are the outputs */
    QN_POISSON,                         /**< outputs: rates, above 0 */
    QN_COSINE_SIMILARITY,               /**< minus the cosine: -1 where outputs point where targets do */
    QN_MSLE,                            /**< mean squared logarithmic error */
    QN_MAPE                             /**< mean absolute percentage error */
} qn_loss;

/** Metrics, worked out on the device. QN_METRIC_NONE ends a list. */
typedef enum qn_metric {
    QN_METRIC_NONE = 0,
    QN_ACCURACY,     /**< of the kind that fits the loss: sparse, categorical or binary (above 0.5) */
    QN_TOP_K,        /**< the target is among the k largest; top_k of the options, 0: 5 */
    QN_METRIC_MSE,
    QN_METRIC_MAE,
    QN_METRIC_RMSE,  /**< root of the mean squared error */
    QN_PRECISION,    /**< of outputs above 0.5, the share whose targets are not 0; 0 where there are none */
    QN_RECALL,       /**< of targets that are not 0, the share whose outputs are above 0.5; 0 where there are none */
    QN_PERPLEXITY    /**< e to the mean cross-entropy of the targets; with the categorical cross-entropies */
} qn_metric;

/** Most outputs a model has. */
#define QN_MAX_OUTPUTS 8
/** Most metrics an output has. */
#define QN_MAX_METRICS 8

/** What qn_model_compile() is told. */
typedef struct qn_compile_opt {
    qn_optimizer optimizer;               /**< default SGD, as made by qn_sgd(), qn_adam(), ... */
    qn_loss loss;                         /**< of every output that has none of its own below */
    bool from_logits;                     /**< cross-entropies: outputs are logits, not probabilities */
    float label_smoothing;                /**< cross-entropies but the sparse one */
    qn_metric metrics[QN_MAX_METRICS];    /**< of the first output, under their own names */
    int top_k;                            /**< for QN_TOP_K; 0: 5 */
    bool weighted_metrics;                /**< metrics weigh samples as the loss does; default: each counts once, as Keras */
    qn_loss losses[QN_MAX_OUTPUTS];       /**< by output */
    float loss_weights[QN_MAX_OUTPUTS];   /**< 0: 1 */
    uint64_t seed;                        /**< of the initial weights, dropout and shuffling */
    /** By output. Where a model has several, "output_1_" stands before the names of those of output 1, as before its loss. */
    qn_metric output_metrics[QN_MAX_OUTPUTS][QN_MAX_METRICS];
    uintptr_t reserved[8];                /**< must be zero */
} qn_compile_opt;

/** Most numbers qn_logs holds. */
#define QN_MAX_LOGS 72

/** Numbers after an epoch or evaluation. */
typedef struct qn_logs {
    int n;                      /**< how many */
    char name[QN_MAX_LOGS][32]; /**< "loss", "accuracy", "val_loss", ... */
    double value[QN_MAX_LOGS];  /**< beside its name */
} qn_logs;

/** The value of a name; NaN when there is none. Threads: any. */
QN_API double qn_logs_get(const qn_logs *logs, const char *name);

/** What a callback is told about. */
typedef enum qn_event {
    QN_EVENT_EPOCH_BEGIN,
    QN_EVENT_STEP,         /**< now and then, when numbers came back from the device */
    QN_EVENT_EPOCH_END,
    QN_EVENT_TRAIN_END
} qn_event;

/** Where a run stands. */
typedef struct qn_progress {
    qn_event event;             /**< why the callback is called */
    int epoch;                  /**< from 0 */
    int epochs;                 /**< where the run ends */
    int64_t step;               /**< of this epoch */
    int64_t steps;              /**< that this epoch has */
    double samples_per_s;       /**< of this epoch */
    double seconds;             /**< since the epoch began */
    double waited;              /**< share of that time spent waiting for data, 0 to 1 */
    const qn_logs *logs;        /**< so far, or after the epoch; lent during the call */
} qn_progress;

/** A callback; it may set *stop. What it returns, if not QN_OK, ends the run. Called from the thread that called fit. */
typedef struct qn_callback {
    qn_status (*call)(void *user, qn_model *m, const qn_progress *p, bool *stop); /**< what is called */
    void (*close)(void *user);  /**< NULL: nothing to give back */
    void *user;                 /**< handed to both */
} qn_callback;

/** What fit is told. */
typedef struct qn_fit_opt {
    int epochs;                 /**< 0: 1 */
    int first_epoch;            /**< number of the first one, for runs that go on */
    int batch;                  /**< 0: 32 */
    qn_dataset *validation;     /**< borrowed; NULL: none, or validation_split */
    double validation_split;    /**< the last share of the samples, as Keras */
    bool no_shuffle;            /**< samples in their own order, every epoch */
    int threads;                /**< that prepare data; 0: one or two; -1: none */
    qn_callback *callbacks;     /**< [callback_count] borrowed; called in order; their close is left to the caller */
    int callback_count;         /**< how many */
    const float *class_weight;  /**< [classes] what a sample of each class weighs in training, times its own weight; of one
                                     output, with a cross-entropy and one class a sample; borrowed; NULL: all alike */
    int classes;                /**< how many */
    bool no_keep;               /**< no copy of weights and training state on the host, see qn_model_keep() */
    FILE *progress;             /**< a bar where it is a terminal, else a line an epoch; NULL: nothing */
    uintptr_t reserved[8];      /**< must be zero */
} qn_fit_opt;

/** What a run of fit recorded. */
typedef struct qn_history {
    int epochs;                 /**< that were run to their end */
    qn_logs *epoch;             /**< [epochs] */
    int64_t steps;              /**< in all */
    double seconds;             /**< in all */
    double waited;              /**< share of that time spent waiting for training data, 0 to 1 */
} qn_history;

/**
 * Create a model without layers.
 *
 * @param out  receives the model; the caller owns it; NULL on failure
 * @param dev  retained
 *
 * @retval QN_OK             created
 * @retval QN_E_ARG          out or dev is NULL
 * @retval QN_E_HOST_MEMORY  out of memory
 */
QN_API qn_status qn_model_create(qn_model **out, qn_device *dev);

/** Give a model up and clear the pointer; accepts NULL. */
QN_API void qn_model_destroy(qn_model **m);

/**
 * Add an input. The batch axis is added in front.
 *
 * @param m      borrowed
 * @param dtype  of the data
 * @param rank   0 to QN_MAX_RANK - 1
 * @param dim    [rank] sizes of one sample; QN_ANY where it may change from batch to batch
 */
QN_API qn_val qn_input(qn_model *m, qn_dtype dtype, int rank, const int64_t *dim);

/** Declare an output; several calls declare several, in order. */
QN_API void qn_model_output(qn_model *m, qn_val v);

/** The graph behind a model, to mix in level 2; lent. A model with such parts saves weights, not its architecture. */
QN_API qn_graph *qn_model_graph(qn_model *m);

/**
 * Fix loss, metrics and optimizer, and initialise the weights.
 *
 * @param opt  copied; NULL: for prediction alone
 *
 * @retval QN_OK               ready
 * @retval QN_E_STATE          compiled already, or the model has no output
 * @retval QN_E_SHAPE          building went wrong: the first mistake, with the layer's name
 * @retval QN_E_ARG            a layer's or compile's option is out of range
 * @retval QN_E_DEVICE_MEMORY  the weights do not fit
 */
QN_API qn_status qn_model_compile(qn_model *m, const qn_compile_opt *opt);

/**
 * Train.
 *
 * @param train  borrowed; its inputs and targets must fit the model's
 * @param opt    NULL for the defaults
 *
 * @retval QN_OK                trained, or stopped by a callback
 * @retval QN_E_CANCELLED       qn_model_cancel() was called; the steps done so far count
 * @retval QN_E_STATE           not compiled with a loss
 * @retval QN_E_SHAPE           the data do not fit the model
 * @retval QN_E_DEVICE_MEMORY   a batch of this size does not fit: use a smaller one
 * @retval QN_E_DEVICE_LOST     the device failed: see qn_model_keep(); the last checkpoint is whole
 * @retval QN_E_DEVICE          the driver refused a call or a kernel failed; likewise
 */
QN_API qn_status qn_model_fit(qn_model *m, qn_dataset *train, const qn_fit_opt *opt);

/** As qn_model_fit(), and hand over what happened; give it back with qn_history_free(). */
QN_API qn_status qn_model_fit_history(qn_model *m, qn_dataset *train, const qn_fit_opt *opt, qn_history **out);

/** An epoch that a model was trained for, as it is saved with it. */
typedef struct qn_record {
    int64_t epoch; /**< from 1, over all runs */
    float lr;      /**< the learning rate after it, without a schedule's factor */
    qn_logs logs;  /**< loss and metrics, of the validation data too */
} qn_record;

/** How many epochs are recorded, the last 10000 at most, before saving and loading included; 0 for NULL. */
QN_API int64_t qn_model_records(const qn_model *m);
/** One of them, lent until the next epoch; NULL where there is none. */
QN_API const qn_record *qn_model_record(const qn_model *m, int64_t i);

/**
 * Draw losses, metrics and learning rate by epoch. gnuplot does it, a program of its own that is sought on the PATH.
 *
 * @param m     borrowed
 * @param path  ends in .svg or .png; replaced when the picture is complete
 *
 * @retval QN_OK             drawn
 * @retval QN_E_ARG          m or path is NULL, or path ends otherwise
 * @retval QN_E_STATE        no epoch is recorded
 * @retval QN_E_UNSUPPORTED  gnuplot is not there
 * @retval QN_E_IO           the file cannot be written, or gnuplot failed: the message has its last line
 *
 * Threads: one per model.
 */
QN_API qn_status qn_history_plot(const qn_model *m, const char *path);

/** Free a history; accepts NULL. */
QN_API void qn_history_free(qn_history **h, qn_model *m);

/** Loss and metrics over a dataset. batch 0: 32. */
QN_API qn_status qn_model_evaluate(qn_model *m, qn_dataset *test, int batch, qn_logs *out);

/**
 * Predict from arrays on the host and wait.
 *
 * @param in       [inputs] arrays [samples, shape]; borrowed
 * @param samples  0 or more
 * @param out      [outputs] arrays [samples, shape], overwritten; NULL where not wanted
 * @param batch    samples at a time; 0: 32
 */
QN_API qn_status qn_model_predict(qn_model *m, const void *const *in, int64_t samples, void *const *out, int batch);

/** Predict for a dataset's inputs, in order; otherwise as qn_model_predict(). */
QN_API qn_status qn_model_predict_dataset(qn_model *m, qn_dataset *ds, void *const *out, int batch);

/**
 * One training step on arrays on the host, for those who write their own loop.
 *
 * Nothing is waited for but the arrays: they may be reused on return. out, if not NULL, receives the loss and metrics
 * of this batch, for which the step is waited for.
 *
 * @param in       [inputs] arrays [samples, shape]
 * @param targets  [targets]
 * @param weights  [samples] f32, or NULL
 */
QN_API qn_status qn_model_train_batch(qn_model *m, const void *const *in, const void *const *targets, const float *weights,
                                      int64_t samples, qn_logs *out);

/** Loss and metrics of one batch without training. As qn_model_train_batch(). */
QN_API qn_status qn_model_test_batch(qn_model *m, const void *const *in, const void *const *targets, const float *weights,
                                     int64_t samples, qn_logs *out);

/**
 * One training step on tensors, read where they are: nothing is copied.
 *
 * The work is enqueued on the device's queue: after what wrote the tensors there, before what changes them next. A plan is
 * kept for each of the last eight sets of tensors; a new set, other places in memory, costs a new plan.
 *
 * @param in       [inputs] tensors [samples, shape] of the inputs' dtypes; borrowed
 * @param targets  [targets] likewise; class numbers are i32
 * @param weights  [samples] f32, or NULL
 * @param out      if not NULL, loss and metrics of this batch, for which the step is waited for
 *
 * @retval QN_E_SHAPE  a tensor's dtype or shape is not what the model takes
 * @retval others      as qn_model_fit()
 */
QN_API qn_status qn_model_train_tensors(qn_model *m, qn_tensor *const *in, qn_tensor *const *targets, qn_tensor *weights,
                                        qn_logs *out);

/** Loss and metrics of tensors without training. As qn_model_train_tensors(). */
QN_API qn_status qn_model_test_tensors(qn_model *m, qn_tensor *const *in, qn_tensor *const *targets, qn_tensor *weights,
                                       qn_logs *out);

/**
 * Predict from tensors into tensors. As qn_model_train_tensors(); nothing is waited for.
 *
 * @param in   [inputs] tensors [samples, shape]; borrowed
 * @param out  [outputs] tensors, overwritten; they overlap neither each other nor the inputs; NULL where not wanted
 */
QN_API qn_status qn_model_predict_tensors(qn_model *m, qn_tensor *const *in, qn_tensor *const *out);

/**
 * End a run of fit, evaluate or predict: after the current step, or where steps take more than 50 ms, about so much later and
 * after the launch that is being made, in the middle of a step, which then does not count (docs/devices.md). Threads: any.
 */
QN_API void qn_model_cancel(qn_model *m);

/**
 * Copy weights and training state to the host, so that they outlive the device.
 *
 * qn_model_fit() does so when it begins and after every epoch; programs with a loop of their own call this where they want
 * to be able to go back to. When the device is lost, qn_model_save(), qn_model_save_weights() and qn_model_weight_read()
 * give what the copy holds, and the file may be loaded on another device. When a training step has failed half way, they
 * do the same, and the next fit, evaluation or prediction puts the copy back first; without a copy it is QN_E_STATE until
 * weights are loaded.
 *
 * @retval QN_OK             copied; the copy before it is gone
 * @retval QN_E_STATE        not compiled, or a training step has failed half way
 * @retval QN_E_HOST_MEMORY  no memory for it; the copy before it stays
 * @retval QN_E_DEVICE_LOST  likewise
 */
QN_API qn_status qn_model_keep(qn_model *m);

/** Learning rate of the next steps; a schedule of the optimizer's multiplies it. */
QN_API qn_status qn_model_set_lr(qn_model *m, float lr);
/** The same, as it is now, without the schedule's factor. */
QN_API float qn_model_lr(const qn_model *m);

/** Epochs trained since the weights were initialised, before saving and loading included; 0 for NULL. */
QN_API int64_t qn_model_epochs(const qn_model *m);

/** A table of layers, shapes and parameters, as text lines to a stream. */
QN_API qn_status qn_model_summary(qn_model *m, FILE *to);

/** Number of inputs. */
QN_API int qn_model_inputs(const qn_model *m);
/** Number of outputs. */
QN_API int qn_model_outputs(const qn_model *m);
/** Shape of an input, with QN_ANY where a size is not fixed (the batch always). */
QN_API qn_status qn_model_input_shape(const qn_model *m, int input, qn_shape *shape, qn_dtype *dtype);
/** Shape of an output, likewise. */
QN_API qn_status qn_model_output_shape(const qn_model *m, int output, qn_shape *shape, qn_dtype *dtype);

/** Number of weights. */
QN_API int qn_model_weights(const qn_model *m);
/** A weight by its number: its name such as "conv2d/kernel", lent; its shape; whether it is trained. */
QN_API qn_status qn_model_weight_info(const qn_model *m, int weight, const char **name, qn_shape *shape, bool *trained);
/** Copy a weight's f32 elements to the host; bytes must be its size. */
QN_API qn_status qn_model_weight_read(qn_model *m, int weight, float *to, size_t bytes);
/** Copy them from the host, likewise. */
QN_API qn_status qn_model_weight_write(qn_model *m, int weight, const float *from, size_t bytes);

/** What a compiled training or prediction plan takes, once a batch has run. */
typedef struct qn_plan_info {
    uint64_t arena_bytes;       /**< activations, gradients of activations and scratch */
    uint64_t weight_bytes;      /**< weights, their gradients and the optimizer's state */
    int launches;               /**< kernels launched in a step */
    int kernels;                /**< different ones among them */
    int library_calls;          /**< calls into CLBlast in a step */
    int kernels_built;          /**< compiled from source for this plan */
    uint64_t flops;             /**< of a step */
} qn_plan_info;

/** @retval QN_E_STATE no batch has run yet. */
QN_API qn_status qn_model_plan_info(const qn_model *m, bool training, qn_plan_info *out);

/**
 * Save architecture, weights and training state to one file, so that training resumes bit for bit.
 *
 * The file is a safetensors file whose metadata hold the architecture; it is written to a temporary name, flushed and
 * renamed: a kill at any instant leaves the old file or the new one.
 *
 * @retval QN_E_IO           the file cannot be written
 * @retval QN_E_DEVICE_LOST  the device is lost, and qn_model_keep() made no copy
 * @retval QN_E_STATE        not compiled; or a training step failed half way, likewise
 * @retval QN_E_UNSUPPORTED  the model has parts made with level 2: save its weights
 */
QN_API qn_status qn_model_save(qn_model *m, const char *path);

/** Save the weights alone as safetensors. */
QN_API qn_status qn_model_save_weights(qn_model *m, const char *path);

/**
 * Load a model that qn_model_save() wrote, compiled as it was.
 *
 * @retval QN_E_FORMAT       damaged, not such a file
 * @retval QN_E_UNSUPPORTED  written by a newer Quern
 */
QN_API qn_status qn_model_load(qn_model **out, qn_device *dev, const char *path);

/** Load weights by name into a compiled model; every weight must be there with its shape. */
QN_API qn_status qn_model_load_weights(qn_model *m, const char *path);

/**
 * A text that is saved with the model, such as the vocabulary that its numbers stand for. Copied; NULL takes it away.
 *
 * @retval QN_E_ARG  m or key is NULL, the key is empty, or there are 16 notes already
 */
QN_API qn_status qn_model_set_note(qn_model *m, const char *key, const char *text);
/** The text of a key, UTF-8; lent until it is set again; NULL where there is none. */
QN_API const char *qn_model_note(const qn_model *m, const char *key);

/**
 * Tell a model how one of its inputs was prepared, or what one of its targets means; saved with the model.
 *
 * @param m     with its inputs, not yet saved
 * @param role  QN_FIELD_INPUT or QN_FIELD_TARGET
 * @param i     the input's or output's number
 * @param prep  retained; NULL takes it away
 *
 * @retval QN_E_ARG    m is NULL, role is another one, or there is no such input or output
 * @retval QN_E_SHAPE  the input has another dtype or shape than qn_prep_field()
 *
 * Threads: one per model.
 */
QN_API qn_status qn_model_set_prep(qn_model *m, qn_field_role role, int i, qn_prep *prep);

/** The preparation of an input or target, lent until it is set again; NULL where there is none. Threads: one per model. */
QN_API qn_prep *qn_model_prep(const qn_model *m, qn_field_role role, int i);

/** Stop when a logged number has not improved for a while. */
typedef struct qn_early_stopping_opt {
    const char *monitor;        /**< default "val_loss" */
    int patience;               /**< epochs without improvement; 0: stop at the first */
    double min_delta;           /**< what counts as improvement */
    bool larger_is_better;      /**< default: smaller, but for names that contain "acc" */
    bool restore_best;          /**< put back the weights of the best epoch */
} qn_early_stopping_opt;

/** Early stopping as a callback; give it back with qn_callback_close(). Keras 3 EarlyStopping. */
QN_API qn_status qn_early_stopping(qn_callback *out, qn_model *m, const qn_early_stopping_opt *opt);

/** Append a line of numbers an epoch to a CSV file, with a header line first. Keras 3 CSVLogger. */
QN_API qn_status qn_csv_log(qn_callback *out, qn_model *m, const char *path);

/** Save the model after every epoch, or every best one, to a path. Keras 3 ModelCheckpoint. */
QN_API qn_status qn_checkpoint(qn_callback *out, qn_model *m, const char *path, const char *monitor);

/** Give a callback back; accepts one that is zero. */
QN_API void qn_callback_close(qn_callback *cb);

QN_END_DECLS

#endif
