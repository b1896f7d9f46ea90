/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Datasets: samples that can be read by number, in any order, by several threads
 * at once. Every sample has the same fields: the network's inputs, the targets,
 * and sample weights if there are any. */
#ifndef QUERN_DATA_H
#define QUERN_DATA_H

#include <quern/types.h>

QN_BEGIN_DECLS

/** What a field is for. */
typedef enum qn_field_role {
    QN_FIELD_INPUT = 0,  /**< fed to the network's inputs, in order */
    QN_FIELD_TARGET = 1, /**< compared with the network's outputs, in order */
    QN_FIELD_WEIGHT = 2  /**< f32: how much a sample counts; one for all outputs, or one for each, in order */
} qn_field_role;

/** One field of every sample. */
typedef struct qn_field {
    const char *name;   /**< NULL in a description: "input", "target", "weight", numbered from the second: "input_1" */
    qn_field_role role; /**< what it is for */
    qn_dtype dtype;     /**< of its elements */
    qn_shape shape;     /**< of one sample: no batch axis; at most QN_MAX_RANK - 1 axes, no QN_ANY */
} qn_field;

/** Most fields a dataset has. */
#define QN_MAX_FIELDS 32

/**
 * Number of samples.
 *
 * @return 0 or more; QN_ANY where it is not known; 0 for NULL
 *
 * Threads: any.
 */
QN_API int64_t qn_dataset_samples(const qn_dataset *ds);

/** Number of fields; 0 for NULL. Threads: any. */
QN_API int qn_dataset_fields(const qn_dataset *ds);

/**
 * One field's description.
 *
 * @param ds  borrowed
 * @param i   0 to qn_dataset_fields() - 1
 *
 * @return lent until the dataset is closed; NULL when there is no such field
 *
 * Threads: any.
 */
QN_API const qn_field *qn_dataset_field(const qn_dataset *ds, int i);

/**
 * Give the classes of an integer target names. Datasets made of this one afterwards have them as well.
 *
 * @param ds       not yet read by other threads
 * @param name     [classes] copied
 * @param classes  1 or more
 *
 * @retval QN_OK             named
 * @retval QN_E_ARG          a pointer is NULL or classes is below 1
 * @retval QN_E_STATE        the classes have names already
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: one.
 */
QN_API qn_status qn_dataset_name_classes(qn_dataset *ds, const char *const *name, int classes);

/** Number of classes that have names; 0 where there are none. Threads: any. */
QN_API int qn_dataset_classes(const qn_dataset *ds);

/** A class's name, lent until the dataset is closed; NULL where there is none. Threads: any. */
QN_API const char *qn_dataset_class(const qn_dataset *ds, int i);

/**
 * Read samples.
 *
 * @param ds     borrowed
 * @param index  [count] numbers of samples, each 0 to qn_dataset_samples() - 1; in any order, repeated or not
 * @param count  how many samples
 * @param out    [fields] a buffer for each field, [count, shape] row-major, overwritten; a field whose buffer is NULL
 *               is left out
 *
 * @retval QN_OK             read
 * @retval QN_E_ARG          ds, index or out is NULL, count is negative, or a number is out of range
 * @retval QN_E_HOST_MEMORY  no memory for a mapped dataset's scratch
 * @retval others            what a callback of the program returned
 *
 * Threads: any, at the same time.
 */
QN_API qn_status qn_dataset_read(const qn_dataset *ds, const int64_t *index, int64_t count, void *const *out);

/**
 * Give a dataset up and clear the pointer. Datasets made from it keep what they need.
 *
 * @param ds  the dataset, or NULL, or a pointer to NULL
 *
 * Threads: any, when no thread reads from it.
 */
QN_API void qn_dataset_close(qn_dataset **ds);

/** One array of an in-memory dataset. */
typedef struct qn_array {
    qn_field field;   /**< what it is; copied */
    const void *data; /**< [samples, shape] row-major, native byte order; may be NULL when that is empty */
} qn_array;

/** Options of qn_dataset_arrays(). */
typedef struct qn_arrays_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    bool copy;             /**< copy the data; otherwise they are borrowed until the dataset is closed */
    uintptr_t reserved[4]; /**< must be zero */
} qn_arrays_opt;

/**
 * A dataset from arrays in memory.
 *
 * @param out      receives the dataset; the caller owns it; NULL on failure
 * @param samples  number of samples, 0 or more
 * @param array    [arrays] descriptions; copied
 * @param arrays   1 to QN_MAX_FIELDS
 * @param opt      NULL for the defaults
 *
 * @retval QN_OK             created
 * @retval QN_E_ARG          a pointer is NULL, samples is negative, or two fields have one name
 * @retval QN_E_SHAPE        a shape is out of range, or an array has more than 2^63 bytes
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_arrays(qn_dataset **out, int64_t samples, const qn_array *array, int arrays,
                                   const qn_arrays_opt *opt);

/** A dataset whose samples come from the program. */
typedef struct qn_source {
    int64_t samples;       /**< 0 or more */
    const qn_field *field; /**< [fields] copied */
    int fields;            /**< 1 to QN_MAX_FIELDS */
    /**
     * Read samples, as qn_dataset_read(), whose checks are made before. Called by several threads at once. What it
     * returns reaches the caller of qn_dataset_read(); qn_error_set() gives the message.
     */
    qn_status (*read)(void *user, const int64_t *index, int64_t count, void *const *out);
    void (*close)(void *user); /**< called once, when the last dataset that needs it is closed; may be NULL */
    void *user;                /**< handed to both */
    uintptr_t reserved[4];     /**< must be zero */
} qn_source;

/**
 * A dataset from a callback.
 *
 * @param out     receives the dataset; the caller owns it; NULL on failure, and then source->close is not called
 * @param ctx     retained; NULL: a default one
 * @param source  copied
 *
 * @retval as qn_dataset_arrays()
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_source(qn_dataset **out, qn_context *ctx, const qn_source *source);

/** Options of qn_dataset_idx(). */
typedef struct qn_idx_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    bool keep_u8;          /**< images of bytes stay u8; otherwise they become f32, divided by divisor */
    float divisor;         /**< 0: 255; set it to 1 to convert without scaling */
    int classes;           /**< labels must be 0 to classes - 1; 0: any that are not negative */
    int64_t max_bytes;     /**< largest file content accepted; 0: 2^33 */
    uintptr_t reserved[4]; /**< must be zero */
} qn_idx_opt;

/**
 * Images and labels from two IDX files (the format of MNIST).
 *
 * The images [N, ...] of bytes or f32 become the input "image"; two axes beside N are height and width, and get a
 * channel axis of one: [28, 28, 1]. The labels [N], integers, become the target "label": i32, a scalar. Bytes are kept
 * as bytes in memory and converted when they are read.
 *
 * @param out     receives the dataset; the caller owns it; NULL on failure
 * @param images  path
 * @param labels  path; NULL: a dataset of inputs alone
 * @param opt     NULL for the defaults
 *
 * @retval QN_OK              read
 * @retval QN_E_IO            a file cannot be opened or read
 * @retval QN_E_FORMAT        a file is damaged, or the two do not belong together; the message says file and place
 * @retval QN_E_UNSUPPORTED   a type of values that Quern does not take
 * @retval QN_E_HOST_MEMORY   out of memory
 *
 * Compressed files: qn_dataset_idx_gz() of quern/data_open.h.
 * Threads: any.
 */
QN_API qn_status qn_dataset_idx(qn_dataset **out, const char *images, const char *labels, const qn_idx_opt *opt);

/** Bytes from elsewhere: a decompressor, an archive, a download. */
typedef struct qn_reader {
    const char *name; /**< for messages, such as the path; borrowed */
    int64_t most;     /**< upper bound of the bytes it can give; 0: not known */
    /**
     * Read up to bytes bytes and say how many there were; fewer only at the end. qn_error_set() gives the message of a
     * failure.
     */
    qn_status (*read)(void *user, void *to, size_t bytes, size_t *got);
    void *user; /**< handed to it */
} qn_reader;

/** As qn_dataset_idx(), from readers, which are borrowed during the call. labels may be NULL. */
QN_API qn_status qn_dataset_idx_from(qn_dataset **out, const qn_reader *images, const qn_reader *labels,
                                     const qn_idx_opt *opt);

/** Does the first line of a CSV file name the columns? */
typedef enum qn_csv_header {
    QN_CSV_AUTO = 0, /**< yes, if none of its values is a number */
    QN_CSV_YES = 1,
    QN_CSV_NO = 2
} qn_csv_header;

/** For qn_csv_opt.label: every column is a feature. */
#define QN_CSV_NO_LABEL (-1)

/** Options of qn_dataset_csv(). */
typedef struct qn_csv_opt {
    qn_context *context;     /**< retained; NULL: a default one */
    qn_csv_header header;    /**< whether there is one */
    int label;               /**< the label's column, counted from 1; 0: the last one; QN_CSV_NO_LABEL: none */
    const char *label_name;  /**< the label's column by its name in the header; instead of label */
    qn_dtype label_dtype;    /**< QN_F32: a number to predict, [1]; QN_I32: a class, a scalar, 0 or more */
    int classes;             /**< classes must be 0 to classes - 1; 0: any that are not negative */
    char separator;          /**< 0: ',' */
    int64_t max_bytes;       /**< longest text accepted; 0: 2^33 */
    uintptr_t reserved[4];   /**< must be zero */
} qn_csv_opt;

/**
 * A table of numbers: one sample a line.
 *
 * The feature columns become the input "features", f32 [columns]; the label becomes the target "label". Numbers are
 * written with a point, whatever the locale; they may stand in double quotes, with spaces around them. Empty lines are
 * passed over. A missing value is an error.
 *
 * @param out   receives the dataset; the caller owns it; NULL on failure
 * @param path  the file
 * @param opt   NULL for the defaults
 *
 * @retval QN_OK             read
 * @retval QN_E_ARG          the options contradict each other
 * @retval QN_E_IO           the file cannot be opened or read
 * @retval QN_E_FORMAT       not such a table; the message says file, line and column
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_csv(qn_dataset **out, const char *path, const qn_csv_opt *opt);

/** As qn_dataset_csv(), from a reader, which is borrowed during the call. */
QN_API qn_status qn_dataset_csv_from(qn_dataset **out, const qn_reader *text, const qn_csv_opt *opt);

/** Options of qn_dataset_text(). */
typedef struct qn_text_opt {
    qn_context *context;     /**< retained; NULL: a default one */
    int length;              /**< characters of a sample; 0: 128 */
    bool held_out;           /**< the last part of the text, in samples one after another; default: the first, at random */
    double fraction;         /**< held out, below 1; 0: 0.1; negative: nothing */
    int64_t samples;         /**< of the first part, an epoch; 0: its characters / length */
    const char *vocabulary;  /**< the characters there may be, by number; NULL: those of the whole text, sorted */
    int64_t max_bytes;       /**< longest text accepted; 0: 2^30 */
    uintptr_t reserved[4];   /**< must be zero */
} qn_text_opt;

/**
 * A text, character by character, to train a model that says what comes next.
 *
 * The input "text" is i32 [length], numbers of characters; the target "next" the same one character later. A sample of
 * the first part begins at a random place, by the run's seed, its epoch and the sample's number; samples of the held-out
 * part follow each other. The text is UTF-8; characters are Unicode's.
 *
 * @param out   receives the dataset; the caller owns it; NULL on failure
 * @param path  the file
 * @param opt   NULL for the defaults
 *
 * @retval QN_OK             read
 * @retval QN_E_ARG          an option is out of range
 * @retval QN_E_IO           the file cannot be opened or read
 * @retval QN_E_FORMAT       not UTF-8, a zero byte, a character that is not of the vocabulary, or too short
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_text(qn_dataset **out, const char *path, const qn_text_opt *opt);

/** As qn_dataset_text(), from a reader, which is borrowed during the call. */
QN_API qn_status qn_dataset_text_from(qn_dataset **out, const qn_reader *text, const qn_text_opt *opt);

/** The characters of a dataset by qn_dataset_text(), in the order of their numbers, UTF-8; lent; NULL for others. */
QN_API const char *qn_dataset_vocabulary(const qn_dataset *ds);

/**
 * Numbers of the characters of a text.
 *
 * @param vocabulary  as qn_dataset_vocabulary()
 * @param text        UTF-8
 * @param out         [most] receives them; may be NULL when most is 0
 * @param most        as many are written at most
 * @param count       receives how many there are
 *
 * @retval QN_E_ARG     a pointer is NULL
 * @retval QN_E_FORMAT  not UTF-8, or a character is not of the vocabulary
 *
 * Threads: any.
 */
QN_API qn_status qn_text_encode(const char *vocabulary, const char *text, int32_t *out, int64_t most, int64_t *count);

/** The character of a number, UTF-8 with a zero behind it, in at most 5 bytes; "" for one the vocabulary lacks. Threads: any. */
QN_API void qn_text_decode(const char *vocabulary, int32_t number, char out[5]);

/** A sample on its way through qn_dataset_map(). */
typedef struct qn_sample {
    int64_t index;         /**< its number in the mapped dataset */
    uint64_t seed;         /**< of the run that reads, and */
    int64_t epoch;         /**< its epoch, for random changes that can be repeated; both 0 outside a run */
    const void *const *in; /**< [fields of the source] */
    void *const *out;      /**< [fields of the result] overwritten; NULL where a field is not wanted */
} qn_sample;

/** What qn_dataset_map() does. */
typedef struct qn_map_opt {
    const qn_field *field;     /**< [fields] of the result; copied; NULL: those of the source */
    int fields;                /**< 0 with field NULL */
    qn_status (*map)(void *user, const qn_sample *sample); /**< called by several threads at once */
    void (*close)(void *user); /**< called once, when the last dataset that needs it is closed; may be NULL */
    void *user;                /**< handed to both */
    uintptr_t reserved[4];     /**< must be zero */
} qn_map_opt;

/**
 * Pass every sample through a function whenever it is read.
 *
 * @param out   receives the dataset; the caller owns it; NULL on failure, and then opt->close is not called
 * @param from  retained
 * @param opt   copied
 *
 * @retval as qn_dataset_arrays()
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_map(qn_dataset **out, qn_dataset *from, const qn_map_opt *opt);

/**
 * Samples first to first + count - 1.
 *
 * @param out    receives the dataset; the caller owns it; NULL on failure
 * @param from   retained
 * @param first  0 to the number of samples
 * @param count  0 or more; QN_ANY: to the end
 *
 * @retval QN_E_ARG  the range reaches outside
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_slice(qn_dataset **out, qn_dataset *from, int64_t first, int64_t count);

/** The first count samples, or all when there are fewer; otherwise as qn_dataset_slice(). */
QN_API qn_status qn_dataset_take(qn_dataset **out, qn_dataset *from, int64_t count);

/**
 * The samples with the given numbers, in that order.
 *
 * @param out    receives the dataset; the caller owns it; NULL on failure
 * @param from   retained
 * @param index  [count] copied
 * @param count  0 or more
 *
 * @retval QN_E_ARG  a number is out of range
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_select(qn_dataset **out, qn_dataset *from, const int64_t *index, int64_t count);

/**
 * Split in two: the last part has the given share, as Keras's validation_split.
 *
 * The first dataset has floor(samples * (1 - fraction)) samples.
 *
 * @param first     receives the first part; the caller owns it; NULL on failure
 * @param last      receives the rest; the caller owns it; NULL on failure
 * @param from      retained by both
 * @param fraction  above 0 and below 1
 *
 * @retval QN_E_ARG  the fraction is out of range, or one part would be empty
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_split(qn_dataset **first, qn_dataset **last, qn_dataset *from, double fraction);

/**
 * Parts drawn at random, such as training, validation and test.
 *
 * @param out       [parts] receive them; the caller owns them; NULL on failure
 * @param share     [parts] each above 0, 1 together
 * @param parts     1 to 255
 * @param from      retained by all of them
 * @param by_class  every class in the same shares: of a target that is one class a sample (i32, a scalar)
 * @param seed      the same parts for the same seed
 *
 * @retval QN_E_ARG          a number is out of range, or a part would be empty
 * @retval QN_E_SHAPE        by_class, and there is no such target
 * @retval QN_E_HOST_MEMORY  out of memory
 * @retval others            as qn_dataset_read()
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_divide(qn_dataset **out, const double *share, int parts, qn_dataset *from, bool by_class,
                                   uint64_t seed);

/**
 * Keep samples in memory from their first reading on: pictures that are decoded once.
 *
 * Random changes belong behind it: what stands before it is read once, whatever the epoch.
 *
 * @param out        receives the dataset; the caller owns it; NULL on failure
 * @param from       retained
 * @param max_bytes  as many of the first samples are kept as fit into so many; the others are read every time
 *
 * @retval QN_E_ARG          a pointer is NULL or max_bytes is negative
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_cache(qn_dataset **out, qn_dataset *from, int64_t max_bytes);

/**
 * Several datasets one after another.
 *
 * @param out      receives the dataset; the caller owns it; NULL on failure
 * @param from     [sources] retained
 * @param sources  1 or more
 *
 * @retval QN_E_SHAPE  their fields differ in number, role, dtype or shape; names are the first one's
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_concat(qn_dataset **out, qn_dataset *const *from, int sources);

QN_END_DECLS

#endif
