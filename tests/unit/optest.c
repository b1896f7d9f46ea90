/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * optest judged by kernels with one fault each: every fault must be found, and explained as what it is. The program
 * runs itself with an algorithm's name for each of them. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "graph/graph.h"
#include "optest.h"

#define HEAD                                                                                                          \
    "#define CAT(a, b) a##b\n#define NAME(a, b) CAT(a, b)\n"                                                          \
    "__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void NAME(twice, QN_SUFFIX)(__global float *x, long x0," \
    " __global float *y, long y0, __global float *s, long s0, long n)"                                                \
    "{ long i = get_global_id(0); float v; x += x0; y += y0; s += s0; s[i] = 2 * x[i]; v = s[i];"

static const struct {
    const char *name, *body, *found;
} kernels[] = {
    {"good", "y[i] = v; }", NULL},
    {"wrong", "y[i] = i == 3 ? v * 1.00001f : v; }", "output 0 [7] at [3]"},
    {"leaves", "if (i != 3) y[i] = v; }", "output 0 [7] at [3]: not written"},
    {"uses_what_is_before", "y[i] = i ? v : v + 0 * x[-1]; }", "output 0 [7] at [0]: nan"},
    {"uses_what_is_after", "y[i] = v + 0 * x[i + 1]; }", "output 0 [7] at [6]: nan"},
    {"uses_scratch_unset", "y[i] = v + 0 * s[n - 1 - i]; }", "made of scratch that is not set"},
    {"writes_before", "y[i] = v; y[-1] = 0; }", "wrote 4 bytes before output 0"},
    {"writes_after", "y[i] = v; if (i == n - 1) y[n + 1] = 0; }", "bytes after the end of output 0"},
    {"writes_after_scratch", "y[i] = v; s[n + 64] = 0; }", "bytes after the end of scratch 0"},
    {"writes_input", "y[i] = v; if (i == 2) x[i] = 7; }", "overwritten input 0 [7] at [2]: 7"},
    {"has_a_wrong_gradient", "y[i] = v; }", "gradient of input 0 at element 0 of 7"},
    {"depends_on_offset", "y[i] = y0 & 1 ? v * 1.0000002f : v; }", "leaves other bits"},
};

static qn_status twice_shape(struct qni_problem *p)
{
    p->out[0] = p->in[0];
    return QN_OK;
}

static void twice_ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    terms[0] = 1;
    for (int64_t i = 0; i < qni_elements(&p->in[0].shape); i++) {
        out[0][i] = 2 * in[0][i];
        scale[0][i] = out[0][i] < 0 ? -out[0][i] : out[0][i];
    }
}

static const char *chosen;

static bool applies(const struct qni_problem *p)
{
    (void)p;
    return true;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    out->scratch = (size_t)qni_elements(&p->in[0].shape) * 4;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    const int64_t n = qni_elements(&p->in[0].shape);
    char text[1024] = "";
    struct qni_launch *l;

    for (size_t i = 0; i < QNI_COUNT(kernels); i++)
        if (strcmp(kernels[i].name, chosen) == 0)
            snprintf(text, sizeof(text), "%s %s\n#undef CAT\n#undef NAME\n", HEAD, kernels[i].body);
    l = qni_launch_add_text(r, text, "twice");
    qni_in(r, l, 0, QN_F32);
    qni_out(r, l, 0, QN_F32);
    qni_scratch(r, l, QN_F32, 0);
    qni_i64(r, l, n);
    qni_grid(r, l, 1, &n, &(int64_t){1});
}

static qn_status twice_grad(struct qni_grad *c)
{
    const qn_val dy = qni_grad_dy(c, 0);

    qni_grad_set(c, 0, strcmp(chosen, "has_a_wrong_gradient") == 0 ? dy : qn_graph_add(c->g, dy, dy));
    return QN_OK;
}

static void faulty(const void *arg)
{
    const size_t i = *(const size_t *)arg;
    char line[1024];
    bool found = false, failed = false, planned = false;
    FILE *f;

    snprintf(line, sizeof(line), "exec \"$QUERN_TEST_SELF\" %s 2>&1", kernels[i].name);
    f = popen(line, "r");
    if (!f) {
        test_fail(__FILE__, __LINE__, "cannot run itself");
        return;
    }
    while (fgets(line, sizeof(line), f)) {
        found |= kernels[i].found && strstr(line, kernels[i].found);
        failed |= strncmp(line, "not ok", 6) == 0;
        planned |= strncmp(line, "1..3", 4) == 0;
    }
    pclose(f);
    CHECK(planned);
    CHECK_INT(failed, kernels[i].found != NULL);
    if (kernels[i].found && !found)
        test_fail(__FILE__, __LINE__, "did not explain: %s", kernels[i].found);
}

static int run_faulty(const char *name)
{
    const struct qni_algo algo = {.name = name, .applies = applies, .sizes = sizes, .emit = emit};
    const struct qni_algo *const algos[] = {&algo, NULL};
    const struct qni_op op = {.name = "twice",
                              .family = "twice",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .outputs = 1,
                              .shape = twice_shape,
                              .grad = twice_grad,
                              .algos = algos};
    const struct optest_case cases[] = {
        {.name = "7", .op = &op, .inputs = 1, .in = {optest_f32(1, 7)}, .ref = twice_ref, .small_grad = true},
        {.name = "empty", .op = &op, .inputs = 1, .in = {optest_f32(2, 0, 3)}, .ref = twice_ref},
    };

    chosen = name;
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}

int main(int argc, char **argv)
{
    char self[4096] = "";
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (argc == 2)
        return run_faulty(argv[1]);
    if (n < 0)
        return EXIT_FAILURE;
    setenv("QUERN_TEST_SELF", self, 1);
    unsetenv("QUERN_TEST");
    for (size_t i = 0; i < QNI_COUNT(kernels); i++) {
        char name[128];

        snprintf(name, sizeof(name), "optest: %s %s", kernels[i].found ? "finds the kernel that" : "passes what is",
                 kernels[i].name);
        for (char *p = name; *p; p++)
            if (*p == '_')
                *p = ' ';
        test_run_with(name, faulty, &i);
    }
    return test_end();
}
