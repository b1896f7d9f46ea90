/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What the command knows by name: models, each a struct task in a file of its own kind (task_*.c), and data, each a struct
 * source beside the code that opens it. A new model is a row in tasks.c, new data are a row in dataset.c. */
#ifndef QUERN_TOOL_MODELS_H
#define QUERN_TOOL_MODELS_H

#include "quern.h"

#include <quern/data_prep.h>
#include <quern/data_table.h>
#include <quern/model.h>

struct task;

/* ---- dataset.c: what --data names ---- */

#define DATASET_TEXT_LENGTH 128   /* characters of a sample */
#define DATASET_CLASSES     65536 /* at most */
#define DATASET_KEEP_MIB    1024

struct dataset_options {
    const char *name;      /* "digits", "csv:FILE", ... */
    const char *dir;       /* NULL: the default places */
    const char *label;     /* tables: the label's column, by number from 1 or by name; NULL: the last */
    bool number;           /* tables: the label is a number to predict, not a class */
    double split;          /* share of the samples that is kept for testing where the data have no parts; 0: all are for testing */
    const char *encoding;  /* of lines, as iconv names it; NULL: UTF-8 */
    const char *hold_out;  /* recordings: test with those whose names have it between underscores; NULL: by split */
    int64_t keep_mib;      /* larger files are read again where they are needed, where they can be */
    bool skip_bad;         /* go on after what cannot be read: dataset_bad() tells and counts */
    const qn_model *model; /* a saved one: its preparations and notes are used, nothing is fitted; NULL: a new one */
};

struct dataset {
    qn_dataset *train, *test; /* train NULL when it was not asked for */
    qn_dataset *heard;        /* recordings: the test part's samples before they became features; else NULL */
    char **said;              /* sentences: [samples] of the test part, in a block of qn_context_alloc; else NULL */
    qn_prep *second;          /* of a second input; NULL: there is none */
    qn_prep *input, *target;  /* given to a new model; NULL where the samples are what the files hold */
    qn_shape sample;          /* of the input */
    int64_t classes;          /* 0: a number; of a text: characters */
    const char *vocabulary;   /* of a text's characters, lent by the parts; NULL for other data */
    const char *report;       /* lines: what reading the data found and changed; kept as the model's note "data"; NULL: nothing */
    char *report_owned;       /* from qn_context_alloc of ctx, or NULL */
    int64_t skipped;          /* by --skip-bad */
    qn_context *ctx;          /* borrowed */
};

/* Data by name. open fills in the parts and preparations, what of the rest it knows, and need not clean up after itself. */
struct source {
    const char *name;  /* with a ':' all that begin as it does up to there, "csv:FILE" */
    qn_status (*open)(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);
    const char *about; /* for --help: half a line */
};

/* source_images.c: "images:FOLDER", and sets by name in the data folder. */
qn_status source_images(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);
qn_status source_image_set(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);
/* source_lines.c: "lines:FILE,CLASS=FILE,..."; source_sounds.c: "sounds:FOLDER"; source_events.c: "events:FILE", "msweb". */
qn_status source_events(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);
qn_status source_lines(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);
qn_status source_sounds(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);

/* source_pairs.c: "pairs:FILE" and "fra-eng". */
qn_status source_pairs(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);

/* source_table.c: "csv:FILE" and "arff:FILE", and sets by name. */
qn_status source_csv(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);
qn_status source_table_set(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train);
/* Rows to predict for. */
qn_status source_table_inputs(qn_dataset **out, qn_context *ctx, const qn_prep *prep, const char *path);

/* Open both parts, or the test part alone, for a model. The task is NULL for models that this command does not know. */
qn_status dataset_open(struct dataset *out, qn_context *ctx, const struct task *t, const struct dataset_options *o, bool train);
void dataset_close(struct dataset *d);
/* The i-th name of data, for --help; NULL behind the last. */
const char *dataset_name(size_t i, const char **about);
/* For qn_files.bad, with the dataset as user: a line on stderr. */
void dataset_bad(void *user, const char *line);
/* Images (idx) or a table without labels (a name that ends in .csv or .csv.gz), to predict for. */
qn_status dataset_open_inputs(qn_dataset **out, qn_context *ctx, const qn_model *m, const char *path);
/* The targets as numbers, [samples]; *out from qn_context_alloc. NULL where the data have none. */
qn_status dataset_targets(double **out, const qn_context *ctx, const qn_dataset *ds);

/* ---- source_parts.c: what sources share ---- */

/* The classes that are among n names, sorted, as the target's preparation. */
qn_status dataset_classes(struct dataset *d, const char *const *name, int64_t n);
/* The preparations of a saved model, whose input's is of that kind. */
qn_status dataset_saved_preps(struct dataset *d, const qn_model *m, qn_prep_kind input);
/* Is a file larger than --keep, so that it is read again where it is needed? */
bool dataset_is_large(const char *path, const struct dataset_options *o);
/* So many samples are to train on, the others to test with. */
int64_t dataset_train_samples(int64_t samples, double split);
/* Both parts of all samples, the last ones to test with; split 0: all are. */
qn_status dataset_parts(struct dataset *d, qn_dataset **all, double split, bool train);

/* ---- tasks.c: the models that quern train knows by name ---- */

/* A run, as far as the optimizer wants to know. */
struct training {
    float lr;       /* 0: the usual one */
    int64_t steps;  /* in all; 0: not known */
    int64_t epoch;  /* steps of an epoch; 0: not known */
    uint64_t seed;
};

/* How a model wants sentences. */
struct task_words {
    int64_t length; /* words of a sentence */
    int limit;      /* words that are known: the most frequent ones */
};

/* How a model wants recordings. */
struct task_sound {
    qn_prep_sound_opt prep;
    qn_sound_augment_opt augment; /* in training */
};

struct task {
    const char *name;
    const char *about;     /* for --help: half a line */
    int64_t epochs, batch; /* 0: 10 and 64 */
    double lr;             /* 0: 0.001 */
    /* Layers and output; QN_E_SHAPE with a message for data that do not suit. Mistakes of the layers are found later. */
    qn_status (*build)(qn_model *m, const struct task *t, const struct dataset *d);
    /* Changes what suits the targets: Adam; cross-entropy and accuracy, or squared and absolute error. NULL: nothing. */
    void (*compile)(qn_compile_opt *o, const struct task *t, const struct training *how);
    /* Adds to the results of the test part what the model's own metrics do not say. NULL: nothing. */
    qn_status (*judge)(qn_model *m, const struct task *t, const struct dataset *d, qn_logs *logs);
    const void *own;       /* what tells models of a kind apart */
    int height, width;     /* the size that pictures are brought to; 0: as the first one */
    const qn_image_augment_opt *augment; /* of pictures, in training; NULL: none */
    const struct task_words *words; /* NULL: it reads no sentences */
    const struct task_sound *sound; /* NULL: it takes no recordings */
    bool pairs;              /* it reads sentences and their translations */
};

/* The names, separated by ", ". */
const char *tasks_names(char *text, size_t bytes);
/* The i-th model's name, for --help; NULL behind the last. */
const char *tasks_name(size_t i, const char **about);
/* NULL for an unknown name and for NULL. */
const struct task *tasks_find(const char *name);
/* A model for data, with their preparations and notes, not compiled. */
qn_status task_build(qn_model **out, qn_device *dev, const struct task *t, const struct dataset *d);
/* Loss and metrics of the test part, and what the task says of it. The task may be NULL. */
qn_status task_evaluate(qn_model *m, const struct task *t, const struct dataset *d, int batch, qn_logs *out);
qn_status task_compile(qn_model *m, const struct task *t, const struct dataset *d, const struct training *how);
/* Both for samples of a shape. classes 0: one number is predicted. QN_E_ARG for an unknown name. */
qn_status models_build(qn_model **out, qn_device *dev, const char *name, const qn_shape *sample, int64_t classes);
qn_status models_compile(qn_model *m, const char *name, int64_t classes, float lr, int64_t steps, uint64_t seed);

extern const struct task task_linear, task_mlp, task_cnn, task_cnn_dense128, task_cnn_small, task_convstack; /* task_plain.c */
extern const struct task task_resnet20, task_image, task_image_resnet;                          /* task_images.c */
extern const struct task task_gpt, task_lstm_char;                                              /* task_writer.c */
extern const struct task task_recsys, task_recsys_attention;                                    /* task_recsys.c */
extern const struct task task_text, task_text_cnn, task_text_transformer;                       /* task_text.c */
extern const struct task task_speech, task_speech_cnn;                                          /* task_speech.c */
extern const struct task task_translate;                                                        /* task_translate.c */

/* Does a model write sentences? */
bool translates(const qn_model *m);
/* The sentences for n sources, [n] of input 0; each from qn_context_alloc, also after an error, when some are NULL. width: of the
 * beam; 1: greedy. */
qn_status translate(char **text, qn_context *ctx, qn_model *m, const void *source, int64_t n, int width);

/* ---- inputs.c: things to predict for, as they come ---- */

/* One thing; what it points to is lent until the next one is asked for. */
struct input {
    const char *name; /* "a.png", "wine.csv:12" */
    qn_raw raw;
};

struct inputs;

/* Files by their paths, "-" for standard input, as a preparation takes them: a picture or a recording a file, a text or a
 * table's row a line. encoding: of texts, as iconv names it; NULL: UTF-8. Both and the paths are borrowed. bad is told about
 * rows that are passed over; NULL: they are errors. */
qn_status inputs_open(struct inputs **out, qn_context *ctx, const qn_prep *prep, const char *encoding, const char *const *path,
                      int paths, void (*bad)(void *user, const char *line), void *user);
/* The next one; out->name is NULL behind the last. What fails is passed over: the next call gives what follows. */
qn_status inputs_next(struct inputs *in, struct input *out);
void inputs_close(struct inputs **in);

/* ---- signals.c: SIGINT and SIGTERM end a run after its current batch, a second one at once ---- */

/* From now on a signal cancels what m does. */
void signals_begin(qn_model *m);
void signals_end(void);
/* The signal that came, or 0. */
int signals_caught(void);
/* The exit status of a command that a signal may have ended; what else went wrong is reported. */
int signals_exit(const char *command, qn_status st);
/* A callback for fit: cancels what a signal asked to end before fit began. */
qn_callback signals_callback(void);

#endif
