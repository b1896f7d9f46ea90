/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Files of images and sound. These functions are in libquern-data (pkg-config
 * quern-data). PNG needs that it was built with libpng, JPEG with libjpeg-turbo,
 * WAV with libsndfile; without, they answer QN_E_UNSUPPORTED and say so. */
#ifndef QUERN_DATA_FILES_H
#define QUERN_DATA_FILES_H

#include <quern/data.h>
#include <quern/data_prep.h>

QN_BEGIN_DECLS

/** Options of qn_image_read(). */
typedef struct qn_image_read_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    int64_t max_bytes;     /**< longest file accepted; 0: 2^28 */
    int64_t max_pixels;    /**< largest image accepted; 0: 2^26 */
    uintptr_t reserved[4]; /**< must be zero */
} qn_image_read_opt;

/**
 * An image from a PNG or JPEG file; which of them it is, its first bytes say and not its name.
 *
 * Grey images have 1 channel, all others 3. Transparency is dropped, 16 bits become 8, and how a camera was held (EXIF) does
 * not count. A damaged or truncated file is refused.
 *
 * @param out   receives the image; the caller owns it; NULL on failure
 * @param path  the file
 * @param opt   NULL for the defaults
 *
 * @retval QN_OK             read
 * @retval QN_E_ARG          a pointer is NULL or an option is negative
 * @retval QN_E_IO           the file cannot be opened or read
 * @retval QN_E_FORMAT       damaged, truncated, too large, or neither PNG nor JPEG; the message says file and fault
 * @retval QN_E_UNSUPPORTED  CMYK, or the library for this format was not there when libquern-data was built
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_image_read(qn_image **out, const char *path, const qn_image_read_opt *opt);

/** As qn_image_read(), from bytes in memory; name is for messages. */
QN_API qn_status qn_image_decode(qn_image **out, const char *name, const void *data, size_t bytes, const qn_image_read_opt *opt);

/** Options of qn_sound_read(). */
typedef struct qn_sound_read_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    int64_t max_bytes;     /**< longest file accepted; 0: 2^30 */
    int64_t max_samples;   /**< most frames times channels accepted; 0: 2^28 */
    uintptr_t reserved[4]; /**< must be zero */
} qn_sound_read_opt;

/**
 * A recording from a WAV file (RIFF), whatever its encoding is that libsndfile reads; integers become -1 to 1.
 *
 * @param out   receives the recording; the caller owns it; NULL on failure
 * @param path  the file
 * @param opt   NULL for the defaults
 *
 * @retval QN_OK             read
 * @retval QN_E_ARG          a pointer is NULL or an option is negative
 * @retval QN_E_IO           the file cannot be opened or read
 * @retval QN_E_FORMAT       damaged, truncated, too long, not finite, or no WAV file; the message says file and fault
 * @retval QN_E_UNSUPPORTED  libsndfile was not there when libquern-data was built
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_sound_read(qn_sound **out, const char *path, const qn_sound_read_opt *opt);

/** As qn_sound_read(), from bytes in memory; name is for messages. */
QN_API qn_status qn_sound_decode(qn_sound **out, const char *name, const void *data, size_t bytes, const qn_sound_read_opt *opt);

/** Files as samples: what qn_dataset_images() and qn_dataset_sounds() have in common. */
typedef struct qn_files {
    const char *folder;        /**< a folder for each class, in the order of their names; or else the following */
    const char *const *path;   /**< [files] copied */
    const int32_t *label;      /**< [files] copied; NULL: inputs alone */
    int64_t files;             /**< 0 or more */
    /**
     * What to do with files that cannot be used. NULL: reading them fails. Otherwise every file is read once when the
     * dataset is made, those that cannot be used are left out, and this is told about each in a line.
     */
    void (*bad)(void *user, const char *line);
    void *user;                /**< handed to it */
    uintptr_t reserved[4];     /**< must be zero */
} qn_files;

/** Options of qn_dataset_images(). */
typedef struct qn_images_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    int height;            /**< of all samples; 0: the first file's */
    int width;             /**< likewise; both or none */
    int channels;          /**< 1 or 3; 0: 3 */
    qn_image_fit fit;      /**< how images of other sizes are brought to this one */
    bool antialias;        /**< see qn_image_resize() */
    bool keep_u8;          /**< 0 to 255 as u8; default: 0 to 1 as f32 */
    int64_t max_bytes;     /**< as in qn_image_read_opt */
    int64_t max_pixels;    /**< likewise */
    qn_prep *prep;         /**< retained; of QN_PREP_IMAGE: says size, channels, fit and antialias instead of the above; the
                                samples are qn_prep_sample(), for qn_dataset_finish() behind random changes; NULL: none */
    uintptr_t reserved[3]; /**< must be zero */
} qn_images_opt;

/**
 * Images that are read from their files whenever they are wanted.
 *
 * The input "image" is [height, width, channels], the target "label" i32, a scalar. With a folder the classes are its
 * folders, which qn_dataset_class() names; a folder's files are those whose names end in .png, .jpg or .jpeg, in the
 * order of their names.
 *
 * @param out    receives the dataset; the caller owns it; NULL on failure
 * @param files  copied
 * @param opt    NULL for the defaults
 *
 * @retval QN_OK        made
 * @retval QN_E_ARG     a pointer is NULL, or an option is out of range
 * @retval QN_E_IO      a folder or file cannot be read
 * @retval QN_E_FORMAT  there is no class, or no file that can be used
 * @retval others       as qn_image_read()
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_images(qn_dataset **out, const qn_files *files, const qn_images_opt *opt);

/** Options of qn_dataset_sounds(). */
typedef struct qn_sounds_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    int rate;              /**< of all samples; 0: the first file's */
    int64_t frames;        /**< of all samples: longer ones are cut, silence follows shorter ones; 0: one second */
    bool middle;           /**< cut on both sides, and silence on both sides; default: at the end */
    int64_t max_bytes;     /**< as in qn_sound_read_opt */
    int64_t max_samples;   /**< likewise */
    qn_prep *prep;         /**< retained; of QN_PREP_SOUND: says rate, frames and middle instead of the above; the samples are
                                qn_prep_sample(), for qn_dataset_finish() behind random changes; NULL: none */
    uintptr_t reserved[3]; /**< must be zero */
} qn_sounds_opt;

/**
 * Recordings that are read from their files whenever they are wanted, one channel, at one rate.
 *
 * The input "sound" is f32 [frames], the target "label" i32, a scalar; a folder's files end in .wav.
 *
 * @param out    receives the dataset; the caller owns it; NULL on failure
 * @param files  copied
 * @param opt    NULL for the defaults
 *
 * @retval as qn_dataset_images() and qn_sound_read()
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_sounds(qn_dataset **out, const qn_files *files, const qn_sounds_opt *opt);

QN_END_DECLS

#endif
