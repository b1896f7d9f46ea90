/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every kind of element-wise instruction: one line each. The formulas hold for
 * every finite operand without overflow on the way, and pass NaN on. */
#include "ops/eltwise/kernel.h"

static qn_val one(const struct qni_elt_rule *r, int kind, qn_val a)
{
    return qni_elt1(r->g, kind, a, 0, 0);
}

static qn_val two(const struct qni_elt_rule *r, int kind, qn_val a, qn_val b)
{
    return qni_elt2(r->g, kind, a, b, 0, 0);
}

static qn_val product(const struct qni_elt_rule *r, qn_val a, qn_val b)
{
    return two(r, QNI_ELT_MUL, a, b);
}

static qn_val scaled(const struct qni_elt_rule *r, qn_val a, float scale)
{
    return qni_elt1(r->g, QNI_ELT_AFFINE, a, scale, 0);
}

static void grad_identity(struct qni_elt_rule *r) { r->d[0] = r->dy; }
static void grad_neg(struct qni_elt_rule *r) { r->d[0] = one(r, QNI_ELT_NEG, r->dy); }
static void grad_exp(struct qni_elt_rule *r) { r->d[0] = product(r, r->dy, r->y); }
static void grad_log(struct qni_elt_rule *r) { r->d[0] = two(r, QNI_ELT_DIV, r->dy, r->x[0]); }
static void grad_sin(struct qni_elt_rule *r) { r->d[0] = product(r, r->dy, one(r, QNI_ELT_COS, r->x[0])); }
static void grad_affine(struct qni_elt_rule *r) { r->d[0] = scaled(r, r->dy, r->code->alpha); }

static void grad_log1p(struct qni_elt_rule *r)
{
    r->d[0] = two(r, QNI_ELT_DIV, r->dy, qni_elt1(r->g, QNI_ELT_AFFINE, r->x[0], 1, 1));
}

static void grad_expm1(struct qni_elt_rule *r)
{
    r->d[0] = product(r, r->dy, qni_elt1(r->g, QNI_ELT_AFFINE, r->y, 1, 1));
}

static void grad_cos(struct qni_elt_rule *r)
{
    r->d[0] = one(r, QNI_ELT_NEG, product(r, r->dy, one(r, QNI_ELT_SIN, r->x[0])));
}

/* log sigmoid'(x) = 1 - exp(y) */
static void grad_log_sigmoid(struct qni_elt_rule *r)
{
    r->d[0] = one(r, QNI_ELT_NEG, product(r, r->dy, one(r, QNI_ELT_EXPM1, r->y)));
}

static void grad_add(struct qni_elt_rule *r)
{
    r->d[0] = r->d[1] = r->dy;
}

static void grad_sub(struct qni_elt_rule *r)
{
    r->d[0] = r->dy;
    if (r->wants[1])
        r->d[1] = one(r, QNI_ELT_NEG, r->dy);
}

static void grad_mul(struct qni_elt_rule *r)
{
    if (r->wants[0])
        r->d[0] = product(r, r->dy, r->x[1]);
    if (r->wants[1])
        r->d[1] = product(r, r->dy, r->x[0]);
}

static void grad_div(struct qni_elt_rule *r)
{
    qn_val q = two(r, QNI_ELT_DIV, r->dy, r->x[1]);

    r->d[0] = q;
    if (r->wants[1])
        r->d[1] = one(r, QNI_ELT_NEG, product(r, q, r->y));
}

static void grad_pow(struct qni_elt_rule *r)
{
    if (r->wants[0])
        r->d[0] = product(r, r->dy, two(r, QNI_ELT_POW_GRAD, r->x[0], r->x[1]));
    if (r->wants[1])
        r->d[1] = product(r, r->dy, two(r, QNI_ELT_POW_GRAD_EXPONENT, r->x[0], r->y));
}

/* v where the condition holds, else 0; or the other way round. */
static qn_val masked(const struct qni_elt_rule *r, qn_val condition, qn_val v, bool inverse)
{
    struct qni_eltwise e = { .inputs = 2, .codes = 2, .outputs = 1, .out = { QNI_ELT_IN + 1 } };

    e.code[0] = (struct qni_elt_code){ .kind = QNI_ELT_FILL, .operand = { -1, -1, -1 }, .dtype = QN_F32 };
    e.code[1] = (struct qni_elt_code){ .kind = QNI_ELT_WHERE, .operand = { 0, 1, QNI_ELT_IN } };
    if (inverse) {
        e.code[1].operand[1] = QNI_ELT_IN;
        e.code[1].operand[2] = 1;
    }
    return qni_node_add(r->g, &qni_op_eltwise, &e, (qn_val[]){ condition, v }, 2, NULL);
}

/* The gradient goes to the first operand where the comparison holds; the rest to the other. */
static void split_by(struct qni_elt_rule *r, int kind)
{
    qn_val mask = two(r, kind, r->x[0], r->x[1]);

    if (r->wants[0])
        r->d[0] = masked(r, mask, r->dy, false);
    if (r->wants[1])
        r->d[1] = masked(r, mask, r->dy, true);
}

static void grad_max(struct qni_elt_rule *r) { split_by(r, QNI_ELT_GE); }
static void grad_min(struct qni_elt_rule *r) { split_by(r, QNI_ELT_LE); }

static void grad_prelu(struct qni_elt_rule *r)
{
    if (r->wants[0])
        r->d[0] = qni_elt3(r->g, QNI_ELT_PRELU_GRAD, r->dy, r->x[0], r->x[1]);
    if (r->wants[1])
        r->d[1] = two(r, QNI_ELT_PRELU_GRAD_SLOPE, r->dy, r->x[0]);
}

static void grad_where(struct qni_elt_rule *r)
{
    if (r->wants[1])
        r->d[1] = masked(r, r->x[0], r->dy, false);
    if (r->wants[2])
        r->d[2] = masked(r, r->x[0], r->dy, true);
}

static void grad_clip(struct qni_elt_rule *r)
{
    r->d[0] = qni_elt2(r->g, QNI_ELT_CLIP_GRAD, r->dy, r->x[0], r->code->alpha, r->code->beta);
}

static void grad_cast(struct qni_elt_rule *r)
{
    const struct qni_value *x = qni_value_get(r->g, r->x[0]);
    const struct qni_value *dy = qni_value_get(r->g, r->dy);

    if (x && dy && x->dtype <= QN_BF16)
        r->d[0] = x->dtype == dy->dtype ? r->dy : qn_graph_cast(r->g, r->dy, x->dtype);
}

/* The mask is drawn again instead of kept. */
static void grad_dropout(struct qni_elt_rule *r)
{
    struct qni_eltwise e = { .inputs = 1, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN } };

    e.code[0] = *r->code;
    e.code[0].operand[0] = 0;
    r->d[0] = qni_node_add(r->g, &qni_op_dropout, &e, &r->dy, 1, NULL);
}

#define UNARY(n, t, ...) { .name = n, .arity = 1, .text = t, __VA_ARGS__ }
#define BINARY(n, t, ...) { .name = n, .arity = 2, .text = t, __VA_ARGS__ }
#define BOOLEAN(n, k, t) { .name = n, .arity = k, .text = t, .result = QNI_ELT_BOOL, .ints = true }
#define BY_X(k) .grad_kind = QNI_ELT_##k, .grad_of = 'x'
#define BY_Y(k) .grad_kind = QNI_ELT_##k, .grad_of = 'y'

/* The built-in erfc, expm1, log1p and tanh cost several times an exp on the CPUs measured, so they are made of exp, log and
 * polynomials (fitted for this library; the errors are below 4 units in the last place). */

/* h = erfc(x) exp(x^2) / t, where t = 1 / (1 + x / 2), x >= 0 */
#define ERFC_OVER_T \
    "$T h = (((((((-0.0591038377f * t + 0.284745501f) * t - 0.487553857f) * t + 0.278473161f) * t - 0.0269061574f) * t" \
    " + 0.202805924f) * t + 0.243073568f) * t + 0.282379475f) * t + 0.282086179f;"
/* e = exp(min(a, 0)) - 1: near 0 by its series */
#define EXPM1_OF_NEGATIVE \
    "$T x = $a < $0 ? $a : $0; $T e = ((((((0.00019841270f * x + 0.0013888889f) * x + 0.0083333333f) * x + 0.041666667f) * x" \
    " + 0.16666667f) * x + 0.5f) * x + 1.0f) * x; e = x > -0.5f ? e : exp(x) - 1.0f;"
/* h = log(1 + exp(-abs a)) */
#define LOG1P_OF_EXP \
    "$T t = exp(-fabs($a)); $T h = (((((((((-0.00324394899f * t + 0.0198511192f) * t - 0.0569588903f) * t + 0.106035897f) * t" \
    " - 0.153055541f) * t + 0.196759259f) * t - 0.249541311f) * t + 0.333299622f) * t - 0.499999024f) * t + 1.0f) * t;"

static const struct qni_elt_info infos[QNI_ELT_KINDS] = {
    [QNI_ELT_IDENTITY] = UNARY("identity", "$a", .ints = true, .grad = grad_identity),
    [QNI_ELT_STOP_GRADIENT] = UNARY("stop_gradient", "$a", .ints = true),
    [QNI_ELT_NEG] = UNARY("neg", "-$a", .ints = true, .grad = grad_neg),
    [QNI_ELT_ABS] = UNARY("abs", "fabs($a)", .ints = true, .int_text = "$a < $0 ? -$a : $a", BY_X(ABS_GRAD)),
    [QNI_ELT_SIGN] = UNARY("sign", "$a == $a ? sign($a) : $a", .ints = true,
                           .int_text = "$a < $0 ? -$1 : ($a > $0 ? $1 : $0)"),
    [QNI_ELT_EXP] = UNARY("exp", "exp($a)", .grad = grad_exp),
    [QNI_ELT_LOG] = UNARY("log", "log($a)", .grad = grad_log),
    [QNI_ELT_LOG1P] = UNARY("log1p", "log1p($a)", .grad = grad_log1p),
    [QNI_ELT_EXPM1] = UNARY("expm1", "expm1($a)", .grad = grad_expm1),
    [QNI_ELT_SQRT] = UNARY("sqrt", "sqrt($a)", BY_Y(SQRT_GRAD)),
    [QNI_ELT_RSQRT] = UNARY("rsqrt", "1.0f / sqrt($a)", BY_Y(RSQRT_GRAD)),
    [QNI_ELT_SQUARE] = UNARY("square", "$a * $a", .ints = true, BY_X(SQUARE_GRAD)),
    [QNI_ELT_RECIPROCAL] = UNARY("reciprocal", "1.0f / $a", BY_Y(RECIPROCAL_GRAD)),
    [QNI_ELT_SIN] = UNARY("sin", "sin($a)", .grad = grad_sin),
    [QNI_ELT_COS] = UNARY("cos", "cos($a)", .grad = grad_cos),
    [QNI_ELT_FLOOR] = UNARY("floor", "floor($a)"),
    [QNI_ELT_CEIL] = UNARY("ceil", "ceil($a)"),
    [QNI_ELT_ROUND] = UNARY("round", "rint($a)"),
    [QNI_ELT_ERF] = UNARY("erf", "{ $T x = fabs($a), z = x * x, t = 1.0f / (1.0f + 0.5f * x); " ERFC_OVER_T
        " h = 1.0f - t * exp(-z) * h; $T s = x * (((((-0.000692779717f * z + 0.00513580675f) * z - 0.0268435822f) * z"
        " + 0.112835274f) * z - 0.376126275f) * z + 1.12837917f); $y = copysign(x < 0.7f ? s : h, $a); }", BY_X(ERF_GRAD)),
    [QNI_ELT_RELU] = UNARY("relu", "$a < $0 ? $0 : $a", BY_Y(RELU_GRAD)),
    [QNI_ELT_LEAKY_RELU] = UNARY("leaky_relu", "$a < $0 ? $p * $a : $a", BY_Y(LEAKY_RELU_GRAD)),
    [QNI_ELT_RELU6] = UNARY("relu6", "$a < $0 ? $0 : ($a > 6.0f ? $0 + 6.0f : $a)", BY_Y(RELU6_GRAD)),
    [QNI_ELT_ELU] = UNARY("elu", "{ " EXPM1_OF_NEGATIVE " $y = $a < $0 ? $p * e : $a; }", BY_Y(ELU_GRAD)),
    [QNI_ELT_SELU] = UNARY("selu", "{ " EXPM1_OF_NEGATIVE
        " $y = $a < $0 ? 1.7580993408473766f * e : 1.0507009873554805f * $a; }", BY_Y(SELU_GRAD)),
    [QNI_ELT_GELU] = UNARY("gelu", "{ $T x = fabs($a), t = 1.0f / (1.0f + 0.35355339f * x); " ERFC_OVER_T
        " h = t * exp(-0.5f * x * x) * h; $y = 0.5f * $a * ($a > $0 ? 2.0f - h : h); }", BY_X(GELU_GRAD)),
    [QNI_ELT_GELU_TANH] = UNARY("gelu_tanh", "$a / (1.0f + exp($a * (-1.5957691216057308f - 0.07135481627159519f * $a * $a)))",
                                BY_X(GELU_TANH_GRAD)),
    [QNI_ELT_SIGMOID] = UNARY("sigmoid", "1.0f / (1.0f + exp(-$a))", BY_Y(SIGMOID_GRAD)),
    [QNI_ELT_HARD_SIGMOID] = UNARY("hard_sigmoid", "$a < -3.0f ? $0 : ($a > 3.0f ? $1 : $a * 0.16666667f + 0.5f)",
                                   BY_Y(HARD_SIGMOID_GRAD)),
    /* PoCL's tanh(infinity) is not 1. */
    [QNI_ELT_TANH] = UNARY("tanh", "{ $T x = fabs($a), z = x * x; $T s = x + x * z * ((((-0.00590585437f * z + 0.0208053719f) * z"
        " - 0.0537866796f) * z + 0.133319582f) * z - 0.333332993f);"
        " $y = copysign(x < 0.6f ? s : 1.0f - 2.0f / (exp(2.0f * x) + 1.0f), $a); }", BY_Y(TANH_GRAD)),
    [QNI_ELT_SOFTPLUS] = UNARY("softplus", "{ " LOG1P_OF_EXP " $y = ($a < $0 ? $0 : $a) + h; }", BY_Y(SOFTPLUS_GRAD)),
    [QNI_ELT_SOFTSIGN] = UNARY("softsign", "$a / (1.0f + fabs($a))", BY_Y(SOFTSIGN_GRAD)),
    [QNI_ELT_SWISH] = UNARY("swish", "$a / (1.0f + exp(-$a))", BY_X(SWISH_GRAD)),
    [QNI_ELT_HARD_SWISH] = UNARY("hard_swish", "$a < -3.0f ? $0 : ($a > 3.0f ? $a : $a * ($a * 0.16666667f + 0.5f))",
                                 BY_X(HARD_SWISH_GRAD)),
    /* tanh(log(1 + e)) = n / (n + 2), n = e * (e + 2) */
    [QNI_ELT_MISH] = UNARY("mish",
                           "{ $T e = exp($a > 20.0f ? $0 + 20.0f : $a); $T n = e * (e + 2.0f); $y = $a * (n / (n + 2.0f)); }",
                           BY_X(MISH_GRAD)),
    [QNI_ELT_LOG_SIGMOID] = UNARY("log_sigmoid", "{ " LOG1P_OF_EXP " $y = ($a > $0 ? $0 : $a) - h; }", .grad = grad_log_sigmoid),
    [QNI_ELT_RELU_GRAD] = BINARY("relu_grad", "$b > $0 ? $a : $0"),
    [QNI_ELT_LEAKY_RELU_GRAD] = BINARY("leaky_relu_grad", "$b > $0 ? $a : $p * $a"),
    [QNI_ELT_RELU6_GRAD] = BINARY("relu6_grad", "(($b > $0) & ($b < 6.0f)) ? $a : $0"),
    [QNI_ELT_ELU_GRAD] = BINARY("elu_grad", "$b > $0 ? $a : $a * ($b + $p)"),
    [QNI_ELT_SELU_GRAD] = BINARY("selu_grad", "$a * ($b > $0 ? $0 + 1.0507009873554805f : $b + 1.7580993408473766f)"),
    [QNI_ELT_GELU_GRAD] = BINARY("gelu_grad", "{ $T x = fabs($b), t = 1.0f / (1.0f + 0.35355339f * x), e = exp(-0.5f * x * x); "
        ERFC_OVER_T " h = t * e * h; $y = $a * (0.5f * ($b > $0 ? 2.0f - h : h) + 0.39894228f * e * $b); }"),
    [QNI_ELT_GELU_TANH_GRAD] = BINARY("gelu_tanh_grad",
        "{ $T x = $b < -20.0f ? $0 - 20.0f : ($b > 20.0f ? $0 + 20.0f : $b);"
        " $T s = 1.0f / (1.0f + exp(x * (-1.5957691216057308f - 0.07135481627159519f * x * x)));"
        " $y = $a * (s + x * s * (1.0f - s) * (1.5957691216057308f + 0.21406444881478557f * x * x)); }"),
    [QNI_ELT_SIGMOID_GRAD] = BINARY("sigmoid_grad", "$a * $b * (1.0f - $b)"),
    [QNI_ELT_HARD_SIGMOID_GRAD] = BINARY("hard_sigmoid_grad", "(($b > $0) & ($b < $1)) ? $a * 0.16666667f : $0"),
    [QNI_ELT_TANH_GRAD] = BINARY("tanh_grad", "$a * (1.0f - $b * $b)"),
    [QNI_ELT_SOFTPLUS_GRAD] = BINARY("softplus_grad", "-$a * expm1(-$b)"),
    [QNI_ELT_SOFTSIGN_GRAD] = BINARY("softsign_grad", "$a * (1.0f - fabs($b)) * (1.0f - fabs($b))"),
    [QNI_ELT_SWISH_GRAD] = BINARY("swish_grad", "{ $T s = 1.0f / (1.0f + exp(-$b)); $y = $a * s * (1.0f + $b * (1.0f - s)); }"),
    [QNI_ELT_HARD_SWISH_GRAD] = BINARY("hard_swish_grad", "$b < -3.0f ? $0 : ($b > 3.0f ? $a : $a * ($b * 0.33333333f + 0.5f))"),
    [QNI_ELT_MISH_GRAD] = BINARY("mish_grad",
        "{ $T e = exp($b > 20.0f ? $0 + 20.0f : $b); $T n = e * (e + 2.0f); $T t = n / (n + 2.0f);"
        " $y = $a * (t + $b * (e / (1.0f + e)) * (4.0f * (n + 1.0f) / (n + 2.0f) / (n + 2.0f))); }"),
    [QNI_ELT_SQRT_GRAD] = BINARY("sqrt_grad", "0.5f * $a / $b"),
    [QNI_ELT_RSQRT_GRAD] = BINARY("rsqrt_grad", "-0.5f * $a * $b * $b * $b"),
    [QNI_ELT_SQUARE_GRAD] = BINARY("square_grad", "2.0f * $a * $b"),
    [QNI_ELT_RECIPROCAL_GRAD] = BINARY("reciprocal_grad", "-$a * $b * $b"),
    [QNI_ELT_ERF_GRAD] = BINARY("erf_grad", "$a * 1.1283791670955126f * exp(-$b * $b)"),
    [QNI_ELT_ABS_GRAD] = BINARY("abs_grad", "$b > $0 ? $a : ($b < $0 ? -$a : $0 * $b)"),
    [QNI_ELT_CLIP_GRAD] = BINARY("clip_grad", "(($b < $p) | ($b > $q)) ? $0 : $a"),
    [QNI_ELT_POW_GRAD] = BINARY("pow_grad", "$b == $0 ? $0 : $b * pow($a, $b - 1.0f)"),
    /* operands: base, result */
    [QNI_ELT_POW_GRAD_EXPONENT] = BINARY("pow_grad_exponent", "$a > $0 ? $b * log($a) : $0"),

    [QNI_ELT_PRELU_GRAD] = { .name = "prelu_grad", .arity = 3, .text = "$b < $0 ? $a * $c : $a" },
    [QNI_ELT_PRELU_GRAD_SLOPE] = BINARY("prelu_grad_slope", "$b < $0 ? $a * $b : $0"),

    [QNI_ELT_ADD] = BINARY("add", "$a + $b", .ints = true, .grad = grad_add),
    [QNI_ELT_SUB] = BINARY("sub", "$a - $b", .ints = true, .grad = grad_sub),
    [QNI_ELT_MUL] = BINARY("mul", "$a * $b", .ints = true, .grad = grad_mul),
    [QNI_ELT_DIV] = BINARY("div", "$a / $b", .grad = grad_div),
    [QNI_ELT_POW] = BINARY("pow", "pow($a, $b)", .grad = grad_pow),
    [QNI_ELT_MIN] = BINARY("min", "(($a <= $b) | ($a != $a)) ? $a : $b", .int_text = "$a <= $b ? $a : $b", .ints = true,
                      .grad = grad_min),
    [QNI_ELT_MAX] = BINARY("max", "(($a >= $b) | ($a != $a)) ? $a : $b", .int_text = "$a >= $b ? $a : $b", .ints = true,
                      .grad = grad_max),
    [QNI_ELT_PRELU] = BINARY("prelu", "$a < $0 ? $a * $b : $a", .grad = grad_prelu),
    [QNI_ELT_EQ] = BOOLEAN("eq", 2, "$a == $b"),
    [QNI_ELT_NE] = BOOLEAN("ne", 2, "$a != $b"),
    [QNI_ELT_LT] = BOOLEAN("lt", 2, "$a < $b"),
    [QNI_ELT_LE] = BOOLEAN("le", 2, "$a <= $b"),
    [QNI_ELT_GT] = BOOLEAN("gt", 2, "$a > $b"),
    [QNI_ELT_GE] = BOOLEAN("ge", 2, "$a >= $b"),
    [QNI_ELT_AND] = BOOLEAN("and", 2, "($a != $0) & ($b != $0)"),
    [QNI_ELT_OR] = BOOLEAN("or", 2, "($a != $0) | ($b != $0)"),
    [QNI_ELT_NOT] = BOOLEAN("not", 1, "$a == $0"),
    [QNI_ELT_IS_FINITE] = { .name = "is_finite", .arity = 1, .text = "$a - $a == $0", .result = QNI_ELT_BOOL },
    [QNI_ELT_WHERE] = { .name = "where", .arity = 3, .text = "$M ? $b : $c", .result = QNI_ELT_AS_SECOND, .ints = true,
                        .grad = grad_where },

    [QNI_ELT_CLIP] = UNARY("clip", "$a < $p ? $0 + $p : ($a > $q ? $0 + $q : $a)", .grad = grad_clip),
    [QNI_ELT_AFFINE] = UNARY("affine", "$p * $a + $q", .grad = grad_affine),
    [QNI_ELT_FILL] = { .name = "fill", .text = "($T)(($E)$p)", .result = QNI_ELT_OWN_DTYPE, .ints = true },
    [QNI_ELT_CAST] = { .name = "cast", .arity = 1, .result = QNI_ELT_OWN_DTYPE, .ints = true, .grad = grad_cast },
    [QNI_ELT_DROPOUT] = UNARY("dropout", "$u < $p ? $0 : $q * $a", .grad = grad_dropout),
    [QNI_ELT_UNIFORM] = { .name = "uniform", .text = "$p + ($q) * $u", .result = QNI_ELT_FLOAT },
    /* Box and Muller's transform of two draws; the first is never 0. */
    [QNI_ELT_NORMAL] = { .name = "normal", .text = "$p + ($q) * (sqrt(-2.0f * log(1.0f - $u)) * cos(6.2831853071795865f * $v))",
                         .result = QNI_ELT_FLOAT },
};

const struct qni_elt_info *qni_elt_info(int kind)
{
    return kind >= 0 && kind < QNI_ELT_KINDS ? &infos[kind] : NULL;
}

int qni_elt_act_kind(int act)
{
    static const uint8_t kinds[] = {
        [QN_LINEAR] = QNI_ELT_IDENTITY, [QN_RELU] = QNI_ELT_RELU, [QN_LEAKY_RELU] = QNI_ELT_LEAKY_RELU,
        [QN_RELU6] = QNI_ELT_RELU6, [QN_ELU] = QNI_ELT_ELU, [QN_SELU] = QNI_ELT_SELU, [QN_GELU] = QNI_ELT_GELU,
        [QN_GELU_TANH] = QNI_ELT_GELU_TANH, [QN_SIGMOID] = QNI_ELT_SIGMOID, [QN_HARD_SIGMOID] = QNI_ELT_HARD_SIGMOID,
        [QN_TANH] = QNI_ELT_TANH, [QN_SOFTPLUS] = QNI_ELT_SOFTPLUS, [QN_SOFTSIGN] = QNI_ELT_SOFTSIGN,
        [QN_SWISH] = QNI_ELT_SWISH, [QN_HARD_SWISH] = QNI_ELT_HARD_SWISH, [QN_MISH] = QNI_ELT_MISH,
        [QN_EXPONENTIAL] = QNI_ELT_EXP,
    };

    return act >= 0 && act < (int)QNI_COUNT(kinds) ? kinds[act] : -1;
}

bool qni_elt_random(const struct qni_eltwise *e)
{
    for (int j = 0; j < e->codes; j++)
        if (qni_elt_draws(e->code[j].kind))
            return true;
    return false;
}
