/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Images: pixels in memory, what is done to them, and random changes of whole
 * datasets. Files are read by quern/data_files.h. Arrays of images are f32
 * [H,W,C] throughout, usually from 0 to 1. */
#ifndef QUERN_DATA_IMAGE_H
#define QUERN_DATA_IMAGE_H

#include <quern/data.h>

QN_BEGIN_DECLS

/** An image in memory. */
typedef struct qn_image {
    unsigned char *pixel; /**< [height, width, channels] */
    int64_t height;       /**< 1 or more */
    int64_t width;        /**< 1 or more */
    int channels;         /**< 1: grey; 3: red, green, blue */
} qn_image;

/** Greatest height and width that are accepted. */
#define QN_IMAGE_MOST 65536

/**
 * A black image, to be filled.
 *
 * @param out       receives it; the caller owns it; NULL on failure
 * @param ctx       retained; NULL: a default one
 * @param height    1 to QN_IMAGE_MOST
 * @param width     likewise
 * @param channels  1 or 3
 *
 * @retval QN_OK             created
 * @retval QN_E_ARG          out is NULL, or a number is out of range
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_image_create(qn_image **out, qn_context *ctx, int64_t height, int64_t width, int channels);

/** Give an image of qn_image_create() up and clear the pointer; accepts NULL and a pointer to NULL. Threads: any. */
QN_API void qn_image_destroy(qn_image **image);

/**
 * An image as an array: value / 255; grey (0.299 red + 0.587 green + 0.114 blue) or three equal channels where the image
 * has others.
 *
 * @param out       [height, width, channels] f32, 0 to 1, overwritten
 * @param image     borrowed
 * @param channels  1 or 3; 0: as it has
 *
 * @retval QN_E_ARG  a pointer is NULL or channels is something else
 *
 * Threads: any.
 */
QN_API qn_status qn_image_floats(float *out, const qn_image *image, int channels);

/** Sizes of an array. */
typedef struct qn_image_size {
    int64_t height; /**< 1 to QN_IMAGE_MOST */
    int64_t width;  /**< likewise */
    int channels;   /**< 1 to 64 */
} qn_image_size;

/** Bytes of scratch for qn_image_resize(); 0 for sizes that are out of range. */
QN_API size_t qn_image_resize_scratch(const qn_image_size *from, int64_t height, int64_t width);

/**
 * Another size, bilinear: pixels have their middles at half numbers, and the edge repeats.
 *
 * With antialias, and where the image becomes smaller, an output pixel is the mean of all that it covers, weighted by a
 * triangle twice as wide as it.
 *
 * @param out        [height, width, channels] overwritten; may not alias in
 * @param height     of the result, 1 to QN_IMAGE_MOST
 * @param width      likewise
 * @param in         [from]
 * @param from       its size
 * @param antialias  see above
 * @param scratch    qn_image_resize_scratch() bytes, aligned to 8
 *
 * @retval QN_E_ARG  a pointer is NULL or a size is out of range
 *
 * Threads: any.
 * Source: agrees with TensorFlow 2.21, image.resize, with and without antialias.
 */
QN_API qn_status qn_image_resize(float *out, int64_t height, int64_t width, const float *in, const qn_image_size *from,
                                 bool antialias, void *scratch);

/** How an image is brought to a size. */
typedef enum qn_image_fit {
    QN_FIT_STRETCH = 0, /**< height and width each by its own */
    QN_FIT_CROP = 1,    /**< in proportion, what is too much is cut off on both sides */
    QN_FIT_PAD = 2      /**< in proportion, black on both sides */
} qn_image_fit;

/** What stands outside an image. */
typedef enum qn_image_fill {
    QN_FILL_REFLECT = 0,  /**< the image mirrored, the edge twice: d c b a | a b c d | d c b a */
    QN_FILL_CONSTANT = 1, /**< a value */
    QN_FILL_NEAREST = 2   /**< the edge */
} qn_image_fill;

/**
 * Cut a piece out; what of it lies outside the image is filled with a value.
 *
 * @param out     [height, width, channels] overwritten; may not alias in
 * @param height  of the piece, 1 to QN_IMAGE_MOST
 * @param width   likewise
 * @param in      [from]
 * @param from    its size
 * @param top     row of the piece's first one; may be negative
 * @param left    column of the piece's first one; may be negative
 * @param value   of what lies outside
 *
 * @retval QN_E_ARG  a pointer is NULL or a size is out of range
 *
 * Threads: any.
 */
QN_API qn_status qn_image_crop(float *out, int64_t height, int64_t width, const float *in, const qn_image_size *from,
                               int64_t top, int64_t left, float value);

/** Mirror an array in place, left and right, or top and bottom. QN_E_ARG for NULL and sizes out of range. Threads: any. */
QN_API qn_status qn_image_flip(float *image, const qn_image_size *size, bool vertical);

/** How qn_image_warp() moves an image. */
typedef struct qn_image_move {
    double degrees;     /**< turned about its middle, counter-clockwise */
    double down;        /**< and then moved, pixels */
    double right;       /**< likewise */
    qn_image_fill fill; /**< what comes in */
    float value;        /**< for QN_FILL_CONSTANT */
} qn_image_move;

/**
 * Turn and move, bilinear.
 *
 * @param out   [size] overwritten; may not alias in
 * @param in    [size]
 * @param size  of both
 * @param move  borrowed
 *
 * @retval QN_E_ARG  a pointer is NULL, or a number is out of range
 *
 * Threads: any.
 */
QN_API qn_status qn_image_warp(float *out, const float *in, const qn_image_size *size, const qn_image_move *move);

/** How qn_image_colour() changes colours; zero is nothing. */
typedef struct qn_image_tint {
    double brightness; /**< every value times 1 + this */
    double contrast;   /**< distances from the image's mean grey times 1 + this */
    double saturation; /**< distances from each pixel's grey times 1 + this */
    double hue;        /**< the colour wheel turned by this share of a turn */
} qn_image_tint;

/**
 * Change colours in place, one after the other; each result is clipped to 0 to 1.
 *
 * @param image  [size] 0 to 1; saturation and hue leave images alone that have not 3 channels
 * @param size   its size
 * @param tint   borrowed
 *
 * @retval QN_E_ARG  a pointer is NULL, or a number is out of range
 *
 * Threads: any.  Source: the formulas are those of torchvision 0.20, adjust_brightness, _contrast, _saturation and _hue.
 */
QN_API qn_status qn_image_colour(float *image, const qn_image_size *size, const qn_image_tint *tint);

/** Options of qn_dataset_image_augment(), in the order in which they are applied; zero is nothing. */
typedef struct qn_image_augment_opt {
    int pad;               /**< pixels of .value around, before the crop */
    int height;            /**< a piece of this size, 0: as it is */
    int width;             /**< likewise */
    bool centre;           /**< the piece is the middle; default: anywhere */
    bool flip;             /**< left and right, every second sample on average */
    bool flip_vertical;    /**< top and bottom likewise */
    double rotate;         /**< by up to so many degrees, either way; at most 180 */
    double shift_height;   /**< up or down by up to this share of the height; at most 1 */
    double shift_width;    /**< left or right by up to this share of the width; at most 1 */
    qn_image_fill fill;    /**< what rotating and shifting bring in */
    float value;           /**< for .pad, QN_FILL_CONSTANT and .cutout */
    double brightness;     /**< see qn_image_tint: drawn from minus this to this; at most 1 */
    double contrast;       /**< likewise; at most 1 */
    double saturation;     /**< likewise; at most 1 */
    double hue;            /**< likewise; at most 0.5 */
    int cutout;            /**< a square of .value, this wide, its middle anywhere */
    float mean[3];         /**< taken off each channel */
    float deviation[3];    /**< that each channel is then divided by; 0: 1 */
    uintptr_t reserved[8]; /**< must be zero */
} qn_image_augment_opt;

/**
 * Change images: random ones for training, or, with .centre and nothing random, what evaluation wants.
 *
 * Random numbers depend on the run's seed and epoch and the sample's number alone. Reading allocates nothing.
 *
 * @param out   receives the dataset; the caller owns it; NULL on failure
 * @param from  retained; its first field is an input [H,W,C], f32, or u8 which is divided by 255; the others stay
 * @param opt   copied; the first field becomes f32 [H,W,C], with a piece's height and width
 *
 * @retval QN_OK             made
 * @retval QN_E_ARG          a pointer is NULL, or an option is out of range
 * @retval QN_E_SHAPE        the first field is no such input, or smaller than the piece
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_image_augment(qn_dataset **out, qn_dataset *from, const qn_image_augment_opt *opt);

/**
 * Mix every sample with another one, drawn at random: share * this + (1 - share) * other, the share from Beta(alpha, alpha)
 * (Zhang et al. 2018).
 *
 * @param out      receives the dataset; the caller owns it; NULL on failure
 * @param from     retained; f32 inputs and targets are mixed; a target of i32 [] is a class, and becomes f32 [classes];
 *                 sample weights stay
 * @param alpha    above 0; 0.2 is usual
 * @param classes  for targets of i32 []; 0 where there are none
 *
 * @retval QN_OK             made
 * @retval QN_E_ARG          a pointer is NULL, or alpha or classes is out of range
 * @retval QN_E_SHAPE        a field cannot be mixed
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_mixup(qn_dataset **out, qn_dataset *from, double alpha, int classes);

QN_END_DECLS

#endif
