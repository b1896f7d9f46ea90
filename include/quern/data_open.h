/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Datasets by name, and compressed files. These functions are in libquern-data,
 * which needs zlib: link it as well (pkg-config quern-data). */
#ifndef QUERN_DATA_OPEN_H
#define QUERN_DATA_OPEN_H

#include <quern/data.h>
#include <quern/data_table.h>
#include <quern/data_text.h>

QN_BEGIN_DECLS

/** As qn_dataset_idx(); files that are compressed with gzip are read as well. */
QN_API qn_status qn_dataset_idx_gz(qn_dataset **out, const char *images, const char *labels, const qn_idx_opt *opt);

/** As qn_dataset_csv(); a file that is compressed with gzip is read as well. */
QN_API qn_status qn_dataset_csv_gz(qn_dataset **out, const char *path, const qn_csv_opt *opt);

/** As qn_table_read(); a file that is compressed with gzip is read as well. */
QN_API qn_status qn_table_gz(qn_table **out, const char *path, const qn_table_opt *opt);

/** As qn_lines_read(); a file that is compressed with gzip is read as well. */
QN_API qn_status qn_lines_gz(qn_lines **out, const char *path, const qn_lines_opt *opt);

/** Options of qn_dataset_open(). */
typedef struct qn_dataset_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    const char *data_dir;  /**< where to look; NULL: $QUERN_DATA, then what is installed with Quern */
    qn_csv_opt csv;        /**< for "csv:FILE"; its context is not used */
    uintptr_t reserved[4]; /**< must be zero */
} qn_dataset_opt;

/**
 * A dataset by its name.
 *
 * | name | samples |
 * |---|---|
 * | "digits:train", "digits:test" | UCI's handwritten digits, 3823 and 1797, made [28, 28, 1], 0 to 1; part of Quern |
 * | "mnist:train", "mnist:test" | 60000 and 10000, [28, 28, 1], 0 to 1 |
 * | "fashion-mnist:train", "fashion-mnist:test" | the same of clothes |
 * | "csv:FILE" | a table of numbers; see qn_dataset_csv() |
 *
 * MNIST and Fashion-MNIST are not part of Quern: a folder DIR must have the four files under their original names
 * (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte), with or without
 * .gz, in DIR/mnist and DIR/fashion-mnist, or in DIR itself.
 *
 * @param out   receives the dataset; the caller owns it; NULL on failure
 * @param name  one of the above
 * @param opt   NULL for the defaults
 *
 * @retval QN_OK             opened
 * @retval QN_E_ARG          no such name
 * @retval QN_E_IO           the files were not found (the message says where they were sought) or cannot be read
 * @retval QN_E_FORMAT       a file is damaged
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_open(qn_dataset **out, const char *name, const qn_dataset_opt *opt);

QN_END_DECLS

#endif
