/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recommendation: what users did, one item after another; what they did next, as a dataset; and how well a network
 * foretells it. */
#ifndef QUERN_DATA_EVENTS_H
#define QUERN_DATA_EVENTS_H

#include <quern/data.h>

QN_BEGIN_DECLS

/** How a file of events is written. */
typedef enum qn_events_format {
    QN_EVENTS_CSV = 0,        /**< an event a line; the first line names the columns */
    QN_EVENTS_JSON_LINES = 1, /**< an object a line: an event, or a user with an array of events */
    QN_EVENTS_MSWEB = 2       /**< UCI's "anonymous Microsoft web data": A names a page, C a user, V a visit of that user's */
} qn_events_format;

/** Options of qn_events_read(). */
typedef struct qn_events_opt {
    qn_context *context;     /**< retained; NULL: a default one */
    qn_events_format format; /**< of the file */
    const char *user;        /**< column or member; NULL: "user", of JSON lines with a list "session" */
    const char *item;        /**< likewise; NULL: "item", in a list "aid" */
    const char *time;        /**< likewise, a number; NULL: "time", in a list "ts"; where it is missing the file's order holds */
    const char *list;        /**< JSON lines: the member with an array of events; NULL: "events" */
    char separator;          /**< of CSV; 0: ',' */
    double gap;              /**< a pause longer than this, in the unit of the times, begins another session; 0: none does */
    bool drop_repeats;       /**< an item right after itself is left out */
    int64_t fewest;          /**< sessions with fewer items are left out; 0: 1 */
    int64_t rarest;          /**< items that come more seldom are left out, before sessions are counted; 0: 1 */
    const qn_prep *prep;     /**< of qn_prep_items(): items have its numbers, others are left out; NULL: all are numbered */
    int64_t max_bytes;       /**< longest text accepted; 0: 2^30, and any where it is not kept */
    int64_t keep_bytes;      /**< qn_events_read: of a longer file the text is not kept in memory, the events are; 0: 2^30 */
    /** Is told about a line that cannot be used, other than the one that names the columns, in a line, and it is left out. NULL: an
     * error. */
    void (*bad)(void *context, const char *line);
    void *bad_context;       /**< handed to it */
    uintptr_t reserved[1];   /**< must be zero */
} qn_events_opt;

/** Sessions: the items of a user in the order of their times. */
typedef struct qn_events qn_events;

/**
 * Read events.
 *
 * Items are numbered from 1 in the order in which the file first names them; 0 stands for none. An item's name is what stands in
 * the file, of msweb the page's address ("/autoroute"); times are numbers of any unit. A user's events are brought into the
 * order of their times; equal ones stay in the file's order. Sessions are in the order of their users' first events.
 *
 * @param out   receives them; the caller owns them; NULL on failure
 * @param path  UTF-8
 * @param opt   NULL for the defaults
 *
 * @retval QN_OK             read
 * @retval QN_E_ARG          an option is out of range, or opt->prep is of another kind
 * @retval QN_E_IO           the file cannot be opened or read
 * @retval QN_E_FORMAT       damaged; the message says file, line and what
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_events_read(qn_events **out, const char *path, const qn_events_opt *opt);

/** As qn_events_read(), from a reader, which is borrowed during the call. */
QN_API qn_status qn_events_read_from(qn_events **out, const qn_reader *text, const qn_events_opt *opt);

/** Give events up and clear the pointer; datasets made of them keep what they need. Threads: any. */
QN_API void qn_events_destroy(qn_events **events);

/** Number of sessions; 0 for NULL. Threads: any. */
QN_API int64_t qn_events_sessions(const qn_events *events);

/** A session's items, lent until the events are destroyed; count receives how many; NULL and 0 where there is none.
 * Threads: any. */
QN_API const int32_t *qn_events_session(const qn_events *events, int64_t i, int64_t *count);

/** Number of items: their numbers are 1 to this. 0 for NULL. Threads: any. */
QN_API int64_t qn_events_items(const qn_events *events);

/** An item's name, lent likewise; NULL where there is none. Threads: any. */
QN_API const char *qn_events_item(const qn_events *events, int64_t number);

/**
 * Items one after another, as a network's input.
 *
 * The raw thing is its cells, the names of items, the oldest first; unknown ones are left out. The sample is i32 [length], the last
 * length items with 0 before them. One-hot, the input is f32 [length, items + 1], the row of a 0 all zeros; else it is the
 * sample, for qn_embedding() with .words = items + 1.
 *
 * @param out      receives it; the caller owns it; NULL on failure
 * @param events   whose items; copied
 * @param length   1 or more
 * @param one_hot  see above
 *
 * @retval QN_E_ARG          a pointer is NULL, length is below 1, or there are no items
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_prep_items(qn_prep **out, const qn_events *events, int64_t length, bool one_hot);

/** Number of items of qn_prep_items(); 0 for others and NULL. Threads: any. */
QN_API int64_t qn_prep_item_count(const qn_prep *prep);

/** The name of an item of 1 to qn_prep_item_count(), lent by the preparation; NULL where there is none. Threads: any. */
QN_API const char *qn_prep_item(const qn_prep *prep, int64_t number);

/** Which items of a session are to be foretold. */
typedef enum qn_events_part {
    QN_EVENTS_EACH = 0,     /**< every item but the first: a sample for each, from those before it */
    QN_EVENTS_EARLIER = 1,  /**< the same without the last one, which QN_EVENTS_LAST leaves for the test */
    QN_EVENTS_LAST = 2,     /**< leave one out: the last one, from all before it; sessions of 2 items and more */
    QN_EVENTS_SHIFTED = 3   /**< every item but the first, in one sample a session: the target is i32 [length], 0 where none */
} qn_events_part;

/** Options of qn_dataset_events(). */
typedef struct qn_events_dataset_opt {
    int64_t length;        /**< items of a sample, the last ones, with 0 before them; 1 or more */
    qn_events_part part;   /**< what is foretold */
    int negatives;         /**< for each sample so many further ones with an item drawn from those that the session lacks, by the
                            * run's seed and epoch; not with QN_EVENTS_SHIFTED. 0: none, and no field "item" */
    uintptr_t reserved[4]; /**< must be zero */
} qn_events_dataset_opt;

/**
 * What comes next, as a dataset.
 *
 * The input "items" is i32 [length]; the target "next" is i32, a scalar, or [length] with QN_EVENTS_SHIFTED. With negatives there
 * is a second input "item", i32, a scalar, and the target is "wanted", f32 [1]: 1 for the item that came, 0 for one that was drawn.
 *
 * @param out     receives the dataset; the caller owns it; NULL on failure
 * @param events  copied
 * @param opt     not NULL
 *
 * @retval QN_E_ARG          a pointer is NULL or an option is out of range
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_events(qn_dataset **out, const qn_events *events, const qn_events_dataset_opt *opt);

/** How well scores rank what was wanted; means over the samples. */
typedef struct qn_ranking {
    double hit;  /**< hit rate at k: the share of samples with rank <= k */
    double ndcg; /**< NDCG at k: 1 / log2(1 + rank), 0 beyond k (Järvelin and Kekäläinen 2002, one relevant item) */
    double mrr;  /**< 1 / rank */
} qn_ranking;

/**
 * Rank the wanted item among all others.
 *
 * rank = 1 + the number of other items whose score is at least the wanted one's (so that equal scores earn nothing); NaN counts as
 * the lowest score. Item 0 never counts.
 *
 * @param out      receives the means; zeros for no samples
 * @param score    [samples, items] larger is better
 * @param samples  0 or more
 * @param items    2 or more, item 0 among them
 * @param wanted   [samples] 1 to items - 1
 * @param k        1 or more
 * @param seen     [samples, length] items that are left out, such as those of the input; the wanted one never is; NULL: none
 * @param length   of a row of seen
 *
 * @retval QN_E_ARG  a pointer is NULL or a number is out of range
 *
 * Threads: any.
 */
QN_API qn_status qn_rank(qn_ranking *out, const float *score, int64_t samples, int64_t items, const int32_t *wanted, int k,
                         const int32_t *seen, int64_t length);

QN_END_DECLS

#endif
