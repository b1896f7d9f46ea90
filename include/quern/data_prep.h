/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Preparations: how a thing from outside (a picture, a recording, a sentence, a line of a table) becomes a network's
 * input, and what the network's output means. A preparation is data: it is saved in the model's file, so that a program
 * that loads the model prepares an input exactly as the training did.
 *
 * A qn_prep never changes once it is made. It has two halves: qn_prep_load() makes of a raw thing a sample of fixed size,
 * and qn_prep_finish() of that the input. Random changes that only training makes stand between the two:
 * qn_dataset_image_augment(), qn_dataset_sound_augment(). */
#ifndef QUERN_DATA_PREP_H
#define QUERN_DATA_PREP_H

#include <quern/data_image.h>
#include <quern/data_sound.h>
#include <quern/data_text.h>

QN_BEGIN_DECLS

/** What is prepared. */
typedef enum qn_prep_kind {
    QN_PREP_CLASSES = 0, /**< a class by its name; a target */
    QN_PREP_TEXT = 1,    /**< a text */
    QN_PREP_IMAGE = 2,   /**< a picture */
    QN_PREP_SOUND = 3,   /**< a recording */
    QN_PREP_NUMBER = 4,  /**< a number; a target */
    QN_PREP_TABLE = 5,   /**< a table's row: qn_prep_table() of quern/data_table.h */
    QN_PREP_ITEMS = 6    /**< items one after another: qn_prep_items() of quern/data_events.h */
} qn_prep_kind;

/** A thing from outside; what a preparation of another kind takes may be NULL. Borrowed. */
typedef struct qn_raw {
    const qn_image *image;   /**< a picture */
    const qn_sound *sound;   /**< a recording */
    const char *text;        /**< UTF-8: a text, a class's name, a number */
    const char *const *cell; /**< [cells] UTF-8: a table's line, or items one after another */
    int64_t cells;           /**< 0 or more */
} qn_raw;

/**
 * Classes by name: the output of a classifier.
 *
 * The sample is i32, a scalar: the number of the class whose name the raw text is.
 *
 * @param out      receives it; the caller owns it; NULL on failure
 * @param ctx      retained; NULL: a default one
 * @param name     [classes] UTF-8, copied; all different
 * @param classes  1 or more
 *
 * @retval QN_E_ARG          a pointer is NULL, classes is below 1, or a name is there twice
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_prep_classes(qn_prep **out, qn_context *ctx, const char *const *name, int classes);

/** Number of classes of QN_PREP_CLASSES; 0 for others and NULL. Threads: any. */
QN_API int qn_prep_class_count(const qn_prep *prep);

/** A class's name, lent by the preparation; NULL where there is none. Threads: any. */
QN_API const char *qn_prep_class(const qn_prep *prep, int i);

/**
 * Texts as numbers of words, characters or pairs.
 *
 * The sample is i32 [length]: qn_tokenizer_encode(), then qn_sequence_pad().
 *
 * @param out        receives it; the caller owns it; NULL on failure
 * @param tokenizer  copied, as it is now
 * @param length     1 or more
 * @param pad        NULL for the defaults
 *
 * @retval QN_E_ARG          a pointer is NULL or length is below 1
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any, when none fits the tokenizer.
 */
QN_API qn_status qn_prep_text(qn_prep **out, const qn_tokenizer *tokenizer, int64_t length, const qn_pad_opt *pad);

/**
 * The same with a number of one's own before a text's numbers, and one behind them, before they are padded or cut: where a
 * sentence begins and ends, for models that write sentences. As qn_prep_text() otherwise.
 *
 * @param begin  0: none; qn_tokenizer_size() and above are no words
 * @param end    likewise
 *
 * @retval QN_E_ARG  also: begin or end is negative
 */
QN_API qn_status qn_prep_text_marked(qn_prep **out, const qn_tokenizer *tokenizer, int64_t length, const qn_pad_opt *pad,
                                     int32_t begin, int32_t end);

/** The number before texts; 0 where there is none, and for other preparations and NULL. Threads: any. */
QN_API int32_t qn_prep_text_begin(const qn_prep *prep);

/** The number behind texts; 0 likewise. Threads: any. */
QN_API int32_t qn_prep_text_end(const qn_prep *prep);

/** The tokenizer of QN_PREP_TEXT, lent by the preparation; NULL for others. Threads: any. */
QN_API const qn_tokenizer *qn_prep_tokenizer(const qn_prep *prep);

/** Options of qn_prep_image(). */
typedef struct qn_prep_image_opt {
    int height;            /**< 1 to QN_IMAGE_MOST; 2^26 pixels at most */
    int width;             /**< likewise */
    int channels;          /**< 1 or 3; 0: 3 */
    qn_image_fit fit;      /**< how pictures of other sizes are brought to this one */
    bool antialias;        /**< see qn_image_resize() */
    float mean[3];         /**< taken off each channel, which is 0 to 1 */
    float deviation[3];    /**< that each channel is then divided by; 0: 1 */
    uintptr_t reserved[4]; /**< must be zero */
} qn_prep_image_opt;

/**
 * Pictures as arrays of one size.
 *
 * The sample is f32 [height, width, channels], 0 to 1, the input the same with mean and deviation taken off.
 *
 * @param out  receives it; the caller owns it; NULL on failure
 * @param ctx  retained; NULL: a default one
 * @param opt  copied
 *
 * @retval QN_E_ARG          a pointer is NULL or an option is out of range
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_prep_image(qn_prep **out, qn_context *ctx, const qn_prep_image_opt *opt);

/**
 * A number: the output of a network that predicts one.
 *
 * The sample is f32 [1]: the raw text as a number, less mean, divided by deviation. It is written with a point, whatever the
 * locale.
 *
 * @param out        receives it; the caller owns it; NULL on failure
 * @param ctx        retained; NULL: a default one
 * @param name       what it is, such as "litres"; copied; NULL: ""
 * @param mean       finite
 * @param deviation  above 0; 1: as it is
 *
 * @retval QN_E_ARG          out is NULL or a number is out of range
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_prep_number(qn_prep **out, qn_context *ctx, const char *name, double mean, double deviation);

/** What a network's output means: value * deviation + mean of QN_PREP_NUMBER; the value itself of others. Threads: any. */
QN_API double qn_prep_undo(const qn_prep *prep, double value);

/** What a number is: its name, lent by the preparation; "" for others and NULL. Threads: any. */
QN_API const char *qn_prep_name(const qn_prep *prep);

/** Options of qn_prep_sound(). */
typedef struct qn_prep_sound_opt {
    qn_context *context;      /**< retained; NULL: a default one */
    int rate;                 /**< frames a second that recordings are brought to; required */
    int64_t frames;           /**< length that they are cut or filled with silence to; required */
    bool middle;              /**< cut and filled on both sides; default: behind */
    double peak;              /**< what the loudest sample is brought to, however loud it was; 0: levels stay as they are */
    double preemphasis;       /**< coefficient of qn_sound_preemphasis(); 0: none */
    double low;               /**< Hz; what lies below is filtered out, see qn_sound_band(); 0: nothing */
    double high;              /**< Hz; what lies above is filtered out; 0: nothing */
    int order;                /**< of those filters; 0: 5 */
    qn_features_opt features; /**< of which the rate is .rate and the context is not used */
    uintptr_t reserved[4];    /**< must be zero */
} qn_prep_sound_opt;

/**
 * Recordings as features.
 *
 * The sample is f32 [frames]: one channel at the rate, at its level. qn_prep_finish() makes pre-emphasis, filters and
 * features of it, in this order: f32 [qn_features_frames(), qn_features_width()]. A recording without a frame is
 * refused.
 *
 * @param out  receives it; the caller owns it; NULL on failure
 * @param opt  copied
 *
 * @retval QN_E_ARG          a pointer is NULL, an option is out of range, or recordings of this length are too short
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_prep_sound(qn_prep **out, const qn_prep_sound_opt *opt);

/**
 * The same preparation, but with each column of the features brought to mean 0 and standard deviation 1, as they are
 * measured over all frames of a dataset's samples; a column that is always the same, to 0. Measure what is trained on,
 * without random changes.
 *
 * @param out   receives it; the caller owns it; NULL on failure
 * @param prep  of qn_prep_sound(); what it was standardised by before does not count
 * @param ds    its first input is as qn_prep_sample(); read once
 *
 * @retval QN_E_ARG          a pointer is NULL, the preparation is of another kind, or the dataset is empty
 * @retval QN_E_SHAPE        the first input is another field than qn_prep_sample()
 * @retval QN_E_HOST_MEMORY  out of memory
 * @retval others            as qn_dataset_read()
 *
 * Threads: any.
 */
QN_API qn_status qn_prep_sound_fit(qn_prep **out, const qn_prep *prep, const qn_dataset *ds);

/** The same preparation, to be released once more; NULL for NULL. Threads: any. */
QN_API qn_prep *qn_prep_retain(qn_prep *prep);

/** Give a preparation up and clear the pointer. Models and datasets that use it keep it. Threads: any. */
QN_API void qn_prep_release(qn_prep **prep);

/** What it prepares; QN_PREP_CLASSES for NULL. Threads: any. */
QN_API qn_prep_kind qn_prep_get_kind(const qn_prep *prep);

/** What qn_prep_load() gives: the field of a dataset before random changes. Lent. NULL for NULL. Threads: any. */
QN_API const qn_field *qn_prep_sample(const qn_prep *prep);

/** What qn_prep_finish() gives: the network's input. Lent. NULL for NULL. Threads: any. */
QN_API const qn_field *qn_prep_field(const qn_prep *prep);

/**
 * From a raw thing to a sample.
 *
 * @param prep    borrowed
 * @param raw     borrowed
 * @param sample  [qn_prep_sample()] overwritten
 *
 * @retval QN_OK             prepared
 * @retval QN_E_ARG          a pointer is NULL, or raw lacks what the preparation takes
 * @retval QN_E_FORMAT       not UTF-8, no such class, not as many cells, ...; the message says what
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any, at the same time.
 */
QN_API qn_status qn_prep_load(const qn_prep *prep, const qn_raw *raw, void *sample);

/**
 * From a sample to the network's input.
 *
 * @param prep    borrowed
 * @param sample  [qn_prep_sample()]
 * @param input   [qn_prep_field()] overwritten; not sample
 *
 * @retval as qn_prep_load()
 *
 * Threads: any, at the same time.
 */
QN_API qn_status qn_prep_finish(const qn_prep *prep, const void *sample, void *input);

/** Both halves at once: from a raw thing to the network's input. Otherwise as qn_prep_load(). */
QN_API qn_status qn_prep_run(const qn_prep *prep, const qn_raw *raw, void *input);

/**
 * A dataset whose first input is finished by a preparation, sample by sample.
 *
 * @param out   receives the dataset; the caller owns it; NULL on failure
 * @param from  retained; its first input is as qn_prep_sample()
 * @param prep  retained
 *
 * @retval QN_E_ARG    a pointer is NULL
 * @retval QN_E_SHAPE  the first input is another field than qn_prep_sample()
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_finish(qn_dataset **out, qn_dataset *from, qn_prep *prep);

/** A preparation in words, one line of UTF-8 without an end of line, for people to read; at most bytes with the zero. */
QN_API const char *qn_prep_describe(const qn_prep *prep, char *text, size_t bytes);

/**
 * A preparation as JSON, and back: docs/formats.md. As qn_tokenizer_to_json() and qn_tokenizer_from_json().
 *
 * @retval QN_E_FORMAT       not such a text; the message says where
 * @retval QN_E_UNSUPPORTED  a kind that this version does not know
 */
QN_API qn_status qn_prep_to_json(const qn_prep *prep, char *out, size_t most, size_t *bytes);
/** See qn_prep_to_json(). */
QN_API qn_status qn_prep_from_json(qn_prep **out, qn_context *ctx, const char *name, const char *json, size_t bytes);

QN_END_DECLS

#endif
