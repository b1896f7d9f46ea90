/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <string.h>

#include "quern.h"

static const struct command *const commands[] = {
    &command_train, &command_evaluate, &command_predict, &command_generate, &command_bench, &command_devices, &command_ops,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

int report(const char *command, qn_status status)
{
    const bool hint = status == QN_E_NO_DEVICE && strcmp(command, command_devices.name) != 0;

    fprintf(stderr, "quern %s: %s: %s%s\n", command, qn_status_name(status), qn_last_error(),
            hint ? "; quern devices says more" : "");
    return status == QN_E_NO_DEVICE ? EXIT_NO_DEVICE : EXIT_FAILED;
}

static void warn(void *user, qn_log_level level, const char *line)
{
    (void)user;
    if (level == QN_LOG_WARNING)
        fprintf(stderr, "quern: %s\n", line);
}

qn_status open_device(qn_context **ctx, qn_device **dev, const char *select)
{
    qn_status st = qn_context_create(ctx, &(qn_context_opt){ .log = warn });

    return st ? st : qn_device_open(dev, *ctx, select);
}

static void print_help(void)
{
    printf("Usage: quern COMMAND [arguments]\n\nNeural networks on any OpenCL device.\n\nCommands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nquern COMMAND --help explains a command, quern --version shows the version.\n\n"
           "Exit status: 0 done, 1 failed, 2 wrong command line, 3 no device that can be used,\n"
           "130 and 143 ended early by SIGINT and SIGTERM.\n\n"
           "Environment:\n"
           "  QUERN_DEVICE   the device to use: P:D, N, cpu, gpu, a part of its name, or an expression (see quern devices)\n"
           "  QUERN_DATA     where data sets are sought\n"
           "  QUERN_CACHE    where compiled kernels are kept\n"
           "  QUERN_ALGO     forced algorithms, such as conv=implicit_gemm,gemm=clblast\n");
}

/* What was printed must have arrived: a full disk is a failure too. */
static int finish(int code)
{
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "quern: the output could not be written\n");
        return code ? code : EXIT_FAILED;
    }
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "quern: a command is missing; see quern --help\n");
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help();
        return finish(EXIT_DONE);
    }
    if (!strcmp(argv[1], "--version")) {
        printf("quern %s\n", qn_version());
        return finish(EXIT_DONE);
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i]->name))
            return finish(commands[i]->run(argc - 1, argv + 1));
    fprintf(stderr, "quern: unknown command %s; see quern --help\n", argv[1]);
    return EXIT_USAGE;
}
