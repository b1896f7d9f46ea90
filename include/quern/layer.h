/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 3: layers. Each function adds a layer to a model and returns its
 * result. Zero in an options struct means the documented default, which is
 * Keras's. The first mistake is remembered by the model; the value returned is
 * then invalid, functions given it do nothing, and qn_model_compile() reports
 * the mistake with the layer's name. opt may be NULL where every option has a
 * default. One thread per model. */
#ifndef QUERN_LAYER_H
#define QUERN_LAYER_H

#include <quern/graph.h>
#include <quern/layer_attention.h>
#include <quern/layer_rnn.h>

QN_BEGIN_DECLS

/** Options of qn_dense(). */
typedef struct qn_dense_opt {
    int units;              /**< 1 or more; required */
    qn_act act;             /**< default linear */
    float act_alpha;        /**< the activation's parameter; 0: its default */
    bool no_bias;           /**< nothing is added */
    qn_init kernel_init;    /**< default Glorot uniform */
    qn_init bias_init;      /**< default zeros */
    float init_scale;       /**< of the initialisers that have one; 0: its default */
    float kernel_l1;        /**< regulariser: times the sum of the absolute values, added to the loss */
    float kernel_l2;        /**< regulariser: times the sum of the squares */
    float bias_l1;          /**< the same for the bias */
    float bias_l2;          /**< the same for the bias */
    bool frozen;            /**< weights are not trained */
    const char *reuse;      /**< use the weights of the layer of that name instead of new ones */
    const char *name;       /**< default "dense", "dense_1", ... */
    uintptr_t reserved[4];  /**< must be zero */
} qn_dense_opt;

/**
 * Fully connected layer: y = act(x kernel + bias) over the last axis.
 *
 * x [.., D] f32, kernel [D, units], bias [units], y [.., units].
 * Source: agrees with Keras 3 Dense.
 */
QN_API qn_val qn_dense(qn_model *m, qn_val x, const qn_dense_opt *opt);

/** Options of the convolutions. Arrays are {height, width}; a 1-D convolution uses the first of each. */
typedef struct qn_conv_opt {
    int filters;            /**< 1 or more; required, but for depthwise */
    int kernel[2];          /**< window; required; {3} alone is {3, 3} */
    int stride[2];          /**< default 1; {2} alone is {2, 2} */
    int dilation[2];        /**< default 1 */
    int groups;             /**< default 1 */
    int depth_multiplier;   /**< depthwise alone: outputs for each channel; default 1 */
    qn_padding padding;     /**< default valid */
    int pad[4];             /**< top, bottom, left, right, for QN_EXPLICIT */
    int output_padding[2];  /**< transposed alone: extra rows and columns at the end */
    qn_act act;             /**< default linear */
    float act_alpha;        /**< the activation's parameter; 0: its default */
    bool no_bias;           /**< nothing is added */
    qn_init kernel_init;    /**< default Glorot uniform */
    qn_init bias_init;      /**< default zeros */
    float init_scale;       /**< of the initialisers that have one; 0: its default */
    float kernel_l1;        /**< regulariser: times the sum of the absolute values, added to the loss */
    float kernel_l2;        /**< regulariser: times the sum of the squares */
    float bias_l1;          /**< the same for the bias */
    float bias_l2;          /**< the same for the bias */
    bool frozen;            /**< weights are not trained */
    const char *reuse;      /**< use the weights of the layer of that name instead of new ones */
    const char *name;       /**< default "conv2d", "conv2d_1", ... */
    uintptr_t reserved[4];  /**< must be zero */
} qn_conv_opt;

/** The 2-D convolution's options under the name of its function. */
typedef qn_conv_opt qn_conv2d_opt;

/**
 * 2-D convolution (cross-correlation): x [N,H,W,C], kernel [R,S,C/groups,filters], bias [filters], y [N,P,Q,filters].
 *
 * Source: agrees with Keras 3 Conv2D, channels last.
 */
QN_API qn_val qn_conv2d(qn_model *m, qn_val x, const qn_conv_opt *opt);

/** 1-D convolution: x [N,T,C], kernel [R,C/groups,filters], y [N,P,filters]. Keras 3 Conv1D; padding may be causal. */
QN_API qn_val qn_conv1d(qn_model *m, qn_val x, const qn_conv_opt *opt);

/** Each channel by itself: kernel [R,S,C,depth_multiplier], y [N,P,Q,C*depth_multiplier]. Keras 3 DepthwiseConv2D. */
QN_API qn_val qn_depthwise_conv2d(qn_model *m, qn_val x, const qn_conv_opt *opt);
/** x [N,T,C], kernel [R,C,depth_multiplier], y [N,P,C*depth_multiplier]; may be causal. Keras 3 DepthwiseConv1D. */
QN_API qn_val qn_depthwise_conv1d(qn_model *m, qn_val x, const qn_conv_opt *opt);

/**
 * A depthwise convolution without bias, then a dense layer over the channels of every pixel.
 *
 * x [N,H,W,C], depthwise_kernel [R,S,C,depth_multiplier], pointwise_kernel [1,1,C*depth_multiplier,filters], bias
 * [filters], y [N,P,Q,filters]. Initialisers and regularisers of the kernel are those of both. Keras 3 SeparableConv2D.
 */
QN_API qn_val qn_separable_conv2d(qn_model *m, qn_val x, const qn_conv_opt *opt);
/** The same over [N,T,C], with kernels of one axis less; may be causal. Keras 3 SeparableConv1D. */
QN_API qn_val qn_separable_conv1d(qn_model *m, qn_val x, const qn_conv_opt *opt);

/** Transposed convolution: kernel [R,S,filters,C], y [N,P,Q,filters]; no groups. Keras 3 Conv2DTranspose. */
QN_API qn_val qn_conv2d_transpose(qn_model *m, qn_val x, const qn_conv_opt *opt);
/** x [N,T,C], kernel [R,filters,C], y [N,P,filters]. Keras 3 Conv1DTranspose. */
QN_API qn_val qn_conv1d_transpose(qn_model *m, qn_val x, const qn_conv_opt *opt);

/** Options of pooling. */
typedef struct qn_pool_opt {
    int size[2];            /**< window {height, width}; default 2; {3} alone is {3, 3} */
    int stride[2];          /**< default: the window */
    qn_padding padding;     /**< default valid */
    int pad[4];             /**< for QN_EXPLICIT */
    bool keepdims;          /**< global pooling alone: keep axes of size 1 */
    const char *name;       /**< default: what it is, numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_pool_opt;

/** The 2-D pooling's options under the name of its function. */
typedef qn_pool_opt qn_pool2d_opt;

/** Maximum over windows: [N,H,W,C] to [N,P,Q,C]. Ties: the first. Keras 3 MaxPooling2D. */
QN_API qn_val qn_maxpool2d(qn_model *m, qn_val x, const qn_pool_opt *opt);
/** Mean over windows, padding left out. Keras 3 AveragePooling2D. */
QN_API qn_val qn_avgpool2d(qn_model *m, qn_val x, const qn_pool_opt *opt);
/** [N,T,C] to [N,P,C]. Keras 3 MaxPooling1D. */
QN_API qn_val qn_maxpool1d(qn_model *m, qn_val x, const qn_pool_opt *opt);
/** [N,T,C] to [N,P,C]. Keras 3 AveragePooling1D. */
QN_API qn_val qn_avgpool1d(qn_model *m, qn_val x, const qn_pool_opt *opt);
/** Maximum over all axes between the first and the last: [N,..,C] to [N,C]. Keras 3 GlobalMaxPooling1D/2D. */
QN_API qn_val qn_global_maxpool(qn_model *m, qn_val x, const qn_pool_opt *opt);
/** Mean over all axes between the first and the last: [N,..,C] to [N,C]. Keras 3 GlobalAveragePooling1D/2D. */
QN_API qn_val qn_global_avgpool(qn_model *m, qn_val x, const qn_pool_opt *opt);

/** Options of qn_batchnorm(). */
typedef struct qn_batchnorm_opt {
    float momentum;         /**< of the moving statistics; 0: 0.99 */
    float epsilon;          /**< added to the variance; 0: 1e-3 */
    bool no_scale;          /**< no gamma */
    bool no_center;         /**< no beta */
    bool frozen;            /**< gamma and beta are not trained and moving statistics are used, in training too */
    const char *name;       /**< default: what it is, numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_batchnorm_opt;

/**
 * Batch normalisation over the last axis: y = gamma (x - mean) / sqrt(variance + epsilon) + beta.
 *
 * Training uses the batch's mean and variance and moves the moving ones; inference uses those. Keras 3
 * BatchNormalization.
 */
QN_API qn_val qn_batchnorm(qn_model *m, qn_val x, const qn_batchnorm_opt *opt);

/** Options of qn_layernorm(), qn_rmsnorm() and qn_groupnorm(). */
typedef struct qn_layernorm_opt {
    float epsilon;          /**< added to the variance; 0: 1e-3, of qn_rmsnorm() 1e-6 */
    int axes;               /**< how many of the last axes are normalised over; 0: 1; not of qn_groupnorm() */
    int groups;             /**< qn_groupnorm() alone; 0: 32 */
    bool no_scale;          /**< no gamma */
    bool no_center;         /**< no beta; rms normalisation has none anyway */
    bool frozen;            /**< gamma and beta are not trained */
    const char *name;       /**< default: what it is, numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_layernorm_opt;

/**
 * Layer normalisation: y = gamma (x - mean) / sqrt(variance + epsilon) + beta, over the last axes of each sample or step.
 *
 * x [N,..,D] f32, gamma and beta [D]. Source: agrees with Keras 3 LayerNormalization.
 */
QN_API qn_val qn_layernorm(qn_model *m, qn_val x, const qn_layernorm_opt *opt);
/** y = scale x / sqrt(mean of x^2 + epsilon), likewise. Source: agrees with Keras 3 RMSNormalization. */
QN_API qn_val qn_rmsnorm(qn_model *m, qn_val x, const qn_layernorm_opt *opt);
/** Mean and variance of each sample's groups of channels over all positions: [N,..,C]. Keras 3 GroupNormalization. */
QN_API qn_val qn_groupnorm(qn_model *m, qn_val x, const qn_layernorm_opt *opt);

/** Options of qn_embedding(). */
typedef struct qn_embedding_opt {
    int words;              /**< rows of the table: indices are 0 to words - 1; required */
    int units;              /**< elements of a row; required */
    bool mask_zero;         /**< index 0 is padding: the result has a mask, real where the index is not 0 */
    bool padding;           /**< steps of padding_index give zeros and train nothing */
    int padding_index;      /**< for padding */
    qn_init init;           /**< default uniform in [-0.05, 0.05) */
    float init_scale;       /**< of the initialisers that have one; 0: its default */
    float l1;               /**< regulariser: times the sum of the absolute values, added to the loss */
    float l2;               /**< regulariser: times the sum of the squares */
    bool frozen;            /**< the table is not trained */
    bool lazy;              /**< a step updates only the rows its batch uses: see docs/api/embedding.md */
    const char *reuse;      /**< use the table of the layer of that name instead of a new one */
    const char *name;       /**< default "embedding", "embedding_1", ... */
    uintptr_t reserved[4];  /**< must be zero */
} qn_embedding_opt;

/**
 * Rows of a trained table by number: y[n,t] = embeddings[x[n,t]].
 *
 * x [N,..] i32, or i64, u8 or f32, which is cut to whole numbers; embeddings [words, units]; y [N,.., units]. A negative
 * index counts from the end; one outside the table gives zeros. Source: agrees with Keras 3 Embedding, and with PyTorch's
 * where padding is concerned.
 */
QN_API qn_val qn_embedding(qn_model *m, qn_val x, const qn_embedding_opt *opt);
/** Tied output weights: y = x embeddings^T, [N,.., units] to [N,.., words], by the table of the embedding layer named. */
QN_API qn_val qn_embedding_logits(qn_model *m, qn_val x, const char *embedding);

/** Options of layers that have none but a few numbers. */
typedef struct qn_layer_opt {
    int axis;               /**< concatenate, softmax: counted from 1 (the batch is axis 0); 0: the last */
    float rate;             /**< dropouts: share of elements dropped, in [0, 1) */
    qn_act act;             /**< activation */
    float act_alpha;        /**< activation: its parameter; 0: its default */
    unsigned shared_axes;   /**< prelu: bit a, from 1: one slope for all of axis a. Keras's [1, 2] is 1 << 1 | 1 << 2 */
    int pad[4];             /**< zero padding, cropping: top, bottom, left, right; of sequences before, after */
    const char *name;       /**< default: what it is, numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_layer_opt;

/** act(x). Keras 3 Activation, LeakyReLU (alpha default 0.3), ELU (alpha default 1), Softmax (over opt->axis), ... */
QN_API qn_val qn_activation(qn_model *m, qn_val x, qn_act act, const qn_layer_opt *opt);
/**
 * x where x > 0, else slope x, with a trained slope for each element of a sample, starting at 0.
 *
 * opt->shared_axes makes the slope one along axes. Keras 3 PReLU.
 */
QN_API qn_val qn_prelu(qn_model *m, qn_val x, const qn_layer_opt *opt);
/** In training: zero with probability rate, the rest times 1 / (1 - rate). Inference: x. Keras 3 Dropout. */
QN_API qn_val qn_dropout(qn_model *m, qn_val x, float rate, const qn_layer_opt *opt);
/** The same for whole channels of a sequence [N,T,C]. Keras 3 SpatialDropout1D. */
QN_API qn_val qn_spatial_dropout1d(qn_model *m, qn_val x, float rate, const qn_layer_opt *opt);
/** The same for whole channels of an image [N,H,W,C]. Keras 3 SpatialDropout2D. */
QN_API qn_val qn_spatial_dropout2d(qn_model *m, qn_val x, float rate, const qn_layer_opt *opt);
/** In training: x + a normal number of this standard deviation, 0 or more. Inference: x. Keras 3 GaussianNoise. */
QN_API qn_val qn_gaussian_noise(qn_model *m, qn_val x, float deviation, const qn_layer_opt *opt);
/** In training: x times a normal number of mean 1 and variance rate / (1 - rate). Keras 3 GaussianDropout. */
QN_API qn_val qn_gaussian_dropout(qn_model *m, qn_val x, float rate, const qn_layer_opt *opt);
/** x; adds l1 sum |x| + l2 sum x^2, divided by the batch, to the loss. Keras 3 ActivityRegularization. */
QN_API qn_val qn_activity_regularization(qn_model *m, qn_val x, float l1, float l2, const qn_layer_opt *opt);

/** scale * x + offset; x may be of integers. Keras 3 Rescaling. */
QN_API qn_val qn_rescaling(qn_model *m, qn_val x, float scale, float offset, const qn_layer_opt *opt);

/** Options of qn_normalization(). */
typedef struct qn_normalization_opt {
    const float *mean;      /**< [C] copied; NULL: 0 */
    const float *variance;  /**< [C] each 0 or more; copied; NULL: 1 */
    const char *reuse;      /**< use the mean and variance of the layer of that name */
    const char *name;       /**< default: what it is, numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_normalization_opt;

/**
 * (x - mean) / max(sqrt(variance), 1e-7) over the last axis, with numbers that are given and not trained.
 *
 * x [..,C]; weights mean [C] and variance [C]. Keras 3 Normalization.
 */
QN_API qn_val qn_normalization(qn_model *m, qn_val x, const qn_normalization_opt *opt);

/** [N,..] to [N, product]. Keras 3 Flatten. */
QN_API qn_val qn_flatten(qn_model *m, qn_val x);
/** [N,..] to [N, dim..]; one dim may be -1. Keras 3 Reshape. */
QN_API qn_val qn_reshape(qn_model *m, qn_val x, int rank, const int64_t *dim);
/**
 * The axes of a sample in another order.
 *
 * @param rank  axes of a sample, without the batch
 * @param axis  [rank] axis i + 1 of the result is axis axis[i] of x, counted from 1. Keras 3 Permute
 */
QN_API qn_val qn_permute(qn_model *m, qn_val x, int rank, const int *axis);
/** [N,D] to [N,times,D]. Keras 3 RepeatVector. */
QN_API qn_val qn_repeat_vector(qn_model *m, qn_val x, int times);

/** Zeros around images: [N,H,W,C] by opt->pad, all zero: 1 on every side. Keras 3 ZeroPadding2D. */
QN_API qn_val qn_zero_padding2d(qn_model *m, qn_val x, const qn_layer_opt *opt);
/** Zeros around sequences: [N,T,C] by opt->pad, both zero: 1 on either side. Keras 3 ZeroPadding1D. */
QN_API qn_val qn_zero_padding1d(qn_model *m, qn_val x, const qn_layer_opt *opt);
/** Images without their border of opt->pad. Keras 3 Cropping2D. */
QN_API qn_val qn_cropping2d(qn_model *m, qn_val x, const qn_layer_opt *opt);
/** Sequences without their ends of opt->pad, both zero: 1 on either side. Keras 3 Cropping1D. */
QN_API qn_val qn_cropping1d(qn_model *m, qn_val x, const qn_layer_opt *opt);

/** What lies between pixels. */
typedef enum qn_interpolation {
    QN_NEAREST = 0, /**< the pixel itself again */
    QN_BILINEAR     /**< a straight line from centre to centre; the edge beyond the outermost centres */
} qn_interpolation;

/** Options of the upsampling layers. */
typedef struct qn_upsampling_opt {
    int size[2];                    /**< times {height, width}; default 2; {3} alone is {3, 3} */
    qn_interpolation interpolation; /**< default nearest; of sequences only that */
    const char *name;               /**< default: what it is, numbered */
    uintptr_t reserved[4];          /**< must be zero */
} qn_upsampling_opt;

/** Larger images: [N,H,W,C] to [N,H*size,W*size,C]. Keras 3 UpSampling2D. */
QN_API qn_val qn_upsampling2d(qn_model *m, qn_val x, const qn_upsampling_opt *opt);
/** Longer sequences: [N,T,C] to [N,T*size,C]. Keras 3 UpSampling1D. */
QN_API qn_val qn_upsampling1d(qn_model *m, qn_val x, const qn_upsampling_opt *opt);

/* ---- layers of several values, of one rank; axes of size 1 are broadcast ---- */

/** Sum. Keras 3 Add. */
QN_API qn_val qn_add(qn_model *m, const qn_val *x, int n);
/** a - b. Keras 3 Subtract. */
QN_API qn_val qn_subtract(qn_model *m, qn_val a, qn_val b);
/** Product. Keras 3 Multiply. */
QN_API qn_val qn_multiply(qn_model *m, const qn_val *x, int n);
/** Mean. Keras 3 Average. */
QN_API qn_val qn_average(qn_model *m, const qn_val *x, int n);
/** The largest, element by element. Keras 3 Maximum. */
QN_API qn_val qn_maximum(qn_model *m, const qn_val *x, int n);
/** The smallest, element by element. Keras 3 Minimum. */
QN_API qn_val qn_minimum(qn_model *m, const qn_val *x, int n);
/** Values side by side along an axis, the last by default. Keras 3 Concatenate. */
QN_API qn_val qn_concatenate(qn_model *m, const qn_val *x, int n, const qn_layer_opt *opt);

/** Options of qn_dot(). */
typedef struct qn_dot_opt {
    int axes[2];            /**< of a and of b, counted from 1; 0: the last */
    bool normalize;         /**< divide by the lengths along the axes first: cosines */
    const char *name;       /**< default: what it is, numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_dot_opt;

/**
 * Sums of products along one axis of each, sample by sample.
 *
 * a, b [N,D] or [N,T,D]: the result has a's other axes, then b's: [N,1], [N,T] or [N,T,U]. Keras 3 Dot.
 */
QN_API qn_val qn_dot(qn_model *m, qn_val a, qn_val b, const qn_dot_opt *opt);

/* ---- masks of sequences ----
 *
 * A mask says which steps of a sequence are real and which are padding. It goes with a value [N,T,..], and layers pass
 * it on or not as Keras's do: qn_dense(), qn_activation(), qn_prelu(), qn_rescaling(), qn_embedding_logits(), dropout,
 * noise and the normalisations with trained numbers pass it on, qn_add(), qn_multiply() and their like join those of their
 * inputs where all have one, qn_concatenate() puts them beside each other; qn_global_avgpool() leaves padding out, and it
 * and all other layers give results without a mask. The loss and the metrics of an output with a mask count its real
 * steps alone. */

/**
 * Steps whose elements all are mask_value become padding: they are set to 0 and the result has a mask.
 *
 * x [N,T,..,D] f32, mask [N,T,..]. Source: Keras 3 Masking.
 */
QN_API qn_val qn_masking(qn_model *m, qn_val x, float mask_value);
/** x with a mask of one's own: [N,T] of any dtype, a step is real where it is not 0. mask id 0: x without a mask. */
QN_API qn_val qn_set_mask(qn_model *m, qn_val x, qn_val mask);
/** The mask of a value, u8 [N,T] of 0 and 1; id 0 where it has none. */
QN_API qn_val qn_mask(qn_model *m, qn_val x);

QN_END_DECLS

#endif
