/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sound: samples in memory, what is done to them, and features that a network
 * learns from. Definitions are librosa's, with its defaults. Files are read by
 * quern/data_files.h. */
#ifndef QUERN_DATA_SOUND_H
#define QUERN_DATA_SOUND_H

#include <quern/data.h>

QN_BEGIN_DECLS

/** A recording in memory. */
typedef struct qn_sound {
    float *sample;  /**< [frames, channels] usually from -1 to 1 */
    int64_t frames; /**< numbers of each channel, 0 or more */
    int channels;   /**< 1 or more */
    int rate;       /**< frames a second */
} qn_sound;

/** Most frames a second that are accepted. */
#define QN_SOUND_MOST_RATE 768000

/**
 * A recording of silence, to be filled.
 *
 * @param out       receives it; the caller owns it; NULL on failure
 * @param ctx       retained; NULL: a default one
 * @param frames    0 or more
 * @param channels  1 to 1024
 * @param rate      1 to QN_SOUND_MOST_RATE
 *
 * @retval QN_OK             created
 * @retval QN_E_ARG          out is NULL, or a number is out of range
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_sound_create(qn_sound **out, qn_context *ctx, int64_t frames, int channels, int rate);

/** Give a recording of qn_sound_create() up and clear the pointer; accepts NULL and a pointer to NULL. Threads: any. */
QN_API void qn_sound_destroy(qn_sound **sound);

/**
 * One channel, the mean of all, at another rate.
 *
 * @param out    receives the recording; the caller owns it; NULL on failure
 * @param ctx    retained; NULL: a default one
 * @param sound  borrowed
 * @param rate   of the result; 0: as it is
 *
 * @retval QN_OK             made
 * @retval QN_E_ARG          a pointer is NULL, or the rate is out of range
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.  Source: agrees with librosa 0.11, to_mono and resample with res_type="polyphase".
 */
QN_API qn_status qn_sound_convert(qn_sound **out, qn_context *ctx, const qn_sound *sound, int rate);

/** Frames that qn_sound_resample() makes: frames * to / from, rounded up. 0 for numbers that are out of range. */
QN_API int64_t qn_sound_resampled(int64_t frames, int from, int to);

/**
 * Another rate: a filter of Kaiser's window (beta 5), ten zero crossings to each side.
 *
 * @param ctx     for scratch; borrowed
 * @param out     [qn_sound_resampled()] overwritten; may not alias in
 * @param in      [frames]
 * @param frames  0 or more
 * @param from    rate of in
 * @param to      rate of out
 *
 * @retval QN_OK             made
 * @retval QN_E_ARG          a pointer is NULL, or a number is out of range
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.  Source: agrees with SciPy 1.17, signal.resample_poly.
 */
QN_API qn_status qn_sound_resample(const qn_context *ctx, float *out, const float *in, int64_t frames, int from, int to);

/**
 * A recording of a given length: cut, or with silence.
 *
 * @param out     [length] overwritten; may not alias in
 * @param length  0 or more
 * @param in      [frames] one channel
 * @param frames  0 or more
 * @param middle  cut on both sides, and silence on both sides; otherwise behind
 *
 * @retval QN_E_ARG  a pointer is NULL or a number is negative
 *
 * Threads: any.
 */
QN_API qn_status qn_sound_place(float *out, int64_t length, const float *in, int64_t frames, bool middle);

/**
 * Pre-emphasis: out[i] = in[i] - coefficient * in[i - 1].
 *
 * What stands before the first frame continues the first two in a straight line, as librosa has it:
 * out[0] = 3 in[0] - in[1].
 *
 * @param out          [frames] overwritten; may be in
 * @param in           [frames]
 * @param frames       0 or more
 * @param coefficient  librosa's default is 0.97
 *
 * @retval QN_E_ARG  a pointer is NULL or frames is negative
 *
 * Threads: any.  Source: agrees with librosa 0.11, effects.preemphasis.
 */
QN_API qn_status qn_sound_preemphasis(float *out, const float *in, int64_t frames, double coefficient);

/**
 * Keep a band of frequencies: Butterworth's filters, a high-pass at low, then a low-pass at high.
 *
 * @param out     [frames] overwritten; may be in
 * @param in      [frames]
 * @param frames  0 or more
 * @param rate    frames a second
 * @param low     Hz, below rate / 2; 0: no high-pass
 * @param high    Hz, below rate / 2; 0: no low-pass
 * @param order   of each, 1 to 16
 *
 * @retval QN_E_ARG  a pointer is NULL, or a number is out of range
 *
 * Threads: any.  Source: agrees with SciPy 1.17, signal.butter and sosfilt.
 */
QN_API qn_status qn_sound_band(float *out, const float *in, int64_t frames, int rate, double low, double high, int order);

/** Shapes of a window; all but the rectangular one periodic, as a spectrum wants them. */
typedef enum qn_window {
    QN_WINDOW_HANN = 0,
    QN_WINDOW_HAMMING = 1,
    QN_WINDOW_BLACKMAN = 2,
    QN_WINDOW_RECTANGULAR = 3
} qn_window;

/** The n numbers of a window. QN_E_ARG for NULL, n below 1, and shapes that are not listed. Threads: any. */
QN_API qn_status qn_window_make(float *out, qn_window window, int64_t n);

/** What each frame of a recording becomes. */
typedef enum qn_feature_kind {
    QN_FEATURE_LOG_MEL = 0,   /**< [mels] decibels of the mel bands' power */
    QN_FEATURE_MEL = 1,       /**< [mels] the power itself */
    QN_FEATURE_MFCC = 2,      /**< [coefficients] the cosine transform of QN_FEATURE_LOG_MEL */
    QN_FEATURE_MAGNITUDE = 3, /**< [fft / 2 + 1] of the spectrum, to the power of .power */
    QN_FEATURE_STFT = 4,      /**< [fft / 2 + 1, 2] the spectrum's real and imaginary parts */
    QN_FEATURE_FRAMES = 5     /**< [fft] the frame, windowed */
} qn_feature_kind;

/** What qn_features_run() does with the numbers in the end. */
typedef enum qn_feature_scale {
    QN_SCALE_NONE = 0,  /**< nothing */
    QN_SCALE_EACH = 1,  /**< each column over all frames to mean 0 and standard deviation 1 */
    QN_SCALE_WHOLE = 2  /**< all numbers together likewise */
} qn_feature_scale;

/** Options of qn_features_create(); zero is librosa's default. */
typedef struct qn_features_opt {
    qn_context *context;     /**< retained; NULL: a default one */
    qn_feature_kind kind;    /**< what a frame becomes */
    int rate;                /**< frames a second; 0: 22050 */
    int fft;                 /**< length of a transform; 0: 2048; at most 2^20 */
    int hop;                 /**< from one frame's begin to the next one's; 0: a quarter of .length */
    int length;              /**< of the window, in the middle of the frame; 0: .fft; at most that */
    qn_window window;        /**< its shape */
    bool no_center;          /**< the first frame begins, and does not have its middle, where the recording begins */
    bool reflect;            /**< what lies outside is the recording mirrored; default: silence */
    double power;            /**< of the magnitude; 0: 2, but 1 for QN_FEATURE_MAGNITUDE */
    int mels;                /**< bands; 0: 128; at most 4096 */
    double low;              /**< Hz, the lowest band's begin */
    double high;             /**< Hz, the highest band's end; 0: half the rate */
    bool htk;                /**< HTK's formula of mel; default: Slaney's */
    bool no_area;            /**< triangles of height 1; default: of area 1, as Slaney has them */
    double top_db;           /**< decibels below the loudest are cut there; 0: 80; negative: none are */
    int coefficients;        /**< of QN_FEATURE_MFCC; 0: 20; at most .mels */
    double lifter;           /**< 0: none */
    int deltas;              /**< 1: the first derivatives are appended to each frame; 2: the second ones as well */
    int delta_width;         /**< frames they are fitted to, odd, 3 or more; 0: 9 */
    qn_feature_scale scale;  /**< in the end */
    uintptr_t reserved[8];   /**< must be zero */
} qn_features_opt;

/** How to make features: tables that many threads may use at once. */
typedef struct qn_features qn_features;

/**
 * Prepare to make features.
 *
 * @param out  receives them; the caller owns them; NULL on failure
 * @param opt  copied; NULL for the defaults
 *
 * @retval QN_OK             prepared
 * @retval QN_E_ARG          out is NULL, or an option is out of range; the message says which
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_features_create(qn_features **out, const qn_features_opt *opt);

/** Give it up and clear the pointer; datasets made with it keep what they need. Accepts NULL and a pointer to NULL. */
QN_API void qn_features_destroy(qn_features **features);

/** Frames that samples numbers give: with the middle rule 1 + samples / hop; 0 for none. Threads: any. */
QN_API int64_t qn_features_frames(const qn_features *features, int64_t samples);

/** Numbers of a frame, derivatives included; 0 for NULL. Threads: any. */
QN_API int64_t qn_features_width(const qn_features *features);

/**
 * Make the features of a recording.
 *
 * @param features  borrowed
 * @param out       [qn_features_frames(), qn_features_width()] overwritten
 * @param in        [samples] one channel
 * @param samples   1 or more, and enough for a frame; with derivatives, for as many frames as they are fitted to
 *
 * @retval QN_OK             made
 * @retval QN_E_ARG          a pointer is NULL
 * @retval QN_E_SHAPE        too few samples
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any, at the same time.
 * Source: agrees with librosa 0.11: stft, feature.melspectrogram, power_to_db, feature.mfcc, feature.delta, but
 * frames come first and coefficients last.
 */
QN_API qn_status qn_features_run(const qn_features *features, float *out, const float *in, int64_t samples);

/**
 * Derivatives along the frames, by a straight line (order 1) or a parabola (order 2) fitted to width frames. Towards
 * either end those of the last whole fit repeat.
 *
 * @param out     [frames, columns] overwritten; may not alias in
 * @param in      [frames, columns]
 * @param frames  at least width
 * @param columns 1 or more
 * @param width   odd, 3 or more
 * @param order   1 or 2
 *
 * @retval QN_E_ARG    a pointer is NULL, or width or order is out of range
 * @retval QN_E_SHAPE  fewer frames than width
 *
 * Threads: any.  Source: agrees with librosa 0.11, feature.delta.
 */
QN_API qn_status qn_sound_delta(float *out, const float *in, int64_t frames, int64_t columns, int width, int order);

/**
 * A dataset of recordings as a dataset of features.
 *
 * @param out       receives the dataset; the caller owns it; NULL on failure
 * @param from      retained; its first field is an input, f32 [samples]; the others stay as they are
 * @param features  retained; the first field becomes f32 [frames, width]
 *
 * @retval QN_OK       made
 * @retval QN_E_ARG    a pointer is NULL
 * @retval QN_E_SHAPE  the first field is no such input, or too short
 * @retval others      as qn_dataset_map()
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_features(qn_dataset **out, qn_dataset *from, qn_features *features);

/** Options of qn_dataset_sound_augment(): what may happen to a recording; zero is nothing. */
typedef struct qn_sound_augment_opt {
    double shift;          /**< later or earlier by up to this share of the length, 0 to 1; silence comes in */
    double gain;           /**< louder or softer by up to so many decibels */
    double noise;          /**< normal noise added, its deviation drawn from 0 to this */
    uintptr_t reserved[4]; /**< must be zero */
} qn_sound_augment_opt;

/**
 * Random changes of recordings, in the options' order.
 *
 * They depend on the run's seed and epoch and the sample's number alone; give it to the data that are trained on, not to
 * those that are evaluated.
 *
 * @param out   receives the dataset; the caller owns it; NULL on failure
 * @param from  retained; its first field is an input, f32 [samples]; the others stay as they are
 * @param opt   copied
 *
 * @retval QN_OK       made
 * @retval QN_E_ARG    a pointer is NULL, or an option is out of range
 * @retval QN_E_SHAPE  the first field is no such input
 * @retval others      as qn_dataset_map()
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_sound_augment(qn_dataset **out, qn_dataset *from, const qn_sound_augment_opt *opt);

QN_END_DECLS

#endif
