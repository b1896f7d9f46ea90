/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/base.h"
#include "quern.h"

static const struct command *const commands[] = {
    &command_train, &command_evaluate, &command_predict, &command_generate, &command_inspect, &command_report, &command_bench,
    &command_devices, &command_ops,
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
    return open_rounding_device(ctx, dev, select, QN_MATMUL_F32);
}

qn_status open_rounding_device(qn_context **ctx, qn_device **dev, const char *select, qn_matmul matmul)
{
    qn_status st = qn_context_create(ctx, &(qn_context_opt){ .log = warn, .qualify = true, .matmul = matmul });

    return st ? st : qn_device_open(dev, *ctx, select);
}

static const char environment[] =
    "  QUERN_DEVICE   the device to use: P:D, N, cpu, gpu, a part of its name, or an expression (see quern devices)\n"
    "  QUERN_DATA     where data sets are sought\n"
    "  QUERN_CACHE    where compiled kernels and verdicts on devices are kept\n"
    "  QUERN_QUALIFY  when devices are tested: never, first (before their first use), ignore (what was found)\n"
    "  QUERN_MATMUL   what operands of matrix products may be rounded to: tf32, bf16, f16\n"
    "  QUERN_ALGO     forced algorithms, such as conv=implicit_gemm,gemm=clblast\n";

static const char statuses[] = "0 done, 1 failed, 2 wrong command line, 3 no device that can be used,\n"
                               "130 and 143 ended early by SIGINT and SIGTERM.\n";

static void print_text(void)
{
    printf("Usage: quern COMMAND [arguments]\n\nNeural networks on any OpenCL device.\n\nCommands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nquern COMMAND --help explains a command, quern --version shows the version.\n"
           "--help=man writes the manual page of quern or of a command, and quern --help=bash, zsh and fish\n"
           "what completes command lines.\n\nExit status: %s\nEnvironment:\n%s",
           statuses, environment);
}

static void print_man(void)
{
    help_man_title("", "neural networks on any OpenCL device");
    printf(".SH SYNOPSIS\n.B quern\n\\fICOMMAND\\fR [\\fIarguments\\fR]\n.SH COMMANDS\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        printf(".TP\n.BR quern\\-%s (1)\n", commands[i]->name);
        help_man_text(commands[i]->summary);
        putchar('\n');
    }
    printf(".SH OPTIONS\n.TP\n.B \\-\\-help\nshow this and end\n.TP\n.B \\-\\-version\nshow the version and end\n"
           ".SH \"EXIT STATUS\"\n");
    help_man_text(statuses);
    printf(".SH ENVIRONMENT\n.nf\n");
    help_man_text(environment);
    printf(".fi\n");
}

/* Each command's part, which its own table gives. */
static void print_parts(const char *form)
{
    for (size_t i = 0; i < COMMANDS; i++)
        commands[i]->run(2, (char *[]){ (char *)commands[i]->name, (char *)form, NULL });
}

static void print_bash(void)
{
    printf("# bash completion for quern, written by quern itself from its tables of options.\n_quern()\n{\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options files folders values\n\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("%s ", commands[i]->name);
    printf("--help --version' -- \"$word\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n");
    print_parts("--help=bash");
    printf("    esac\n"
           "    if [[ $files == *\" $before \"* ]]; then\n        COMPREPLY=($(compgen -f -- \"$word\"))\n"
           "    elif [[ $folders == *\" $before \"* ]]; then\n        COMPREPLY=($(compgen -d -- \"$word\"))\n"
           "    elif [[ $values == *\" $before \"* ]]; then\n        COMPREPLY=()\n"
           "    elif [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
           "    else\n        COMPREPLY=($(compgen -f -- \"$word\"))\n    fi\n}\ncomplete -o filenames -F _quern quern\n");
}

static void print_zsh(void)
{
    printf("#compdef quern\n# Written by quern itself from its tables of options.\n_quern()\n{\n    local -a commands\n\n"
           "    if ((CURRENT == 2)); then\n        commands=(\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("            '%s:%s'\n", commands[i]->name, commands[i]->summary);
    printf("        )\n        _describe command commands\n        return\n    fi\n"
           "    shift words\n    ((CURRENT--))\n    case $words[1] in\n");
    print_parts("--help=zsh");
    printf("    esac\n}\n_quern \"$@\"\n");
}

static void print_fish(void)
{
    printf("# fish completion for quern, written by quern itself from its tables of options.\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("complete -c quern -n __fish_use_subcommand -f -a %s -d '%s'\n", commands[i]->name, commands[i]->summary);
    print_parts("--help=fish");
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
    static void (*const print[])(void) = { print_text, print_man, print_bash, print_zsh, print_fish };
    enum help_form form;

    if (argc < 2) {
        fprintf(stderr, "quern: a command is missing; see quern --help\n");
        return EXIT_USAGE;
    }
    if (help_form_read(argv[1], &form) || !strcmp(argv[1], "help")) {
        print[strcmp(argv[1], "help") ? form : HELP_TEXT]();
        return finish(EXIT_DONE);
    }
    if (!strcmp(argv[1], "--version")) {
        printf("quern %s\n", qn_version());
        return finish(EXIT_DONE);
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i]->name)) {
            if (argc == 3 && help_form_read(argv[2], &form) && form == HELP_MAN)
                help_man_title(commands[i]->name, commands[i]->summary);
            return finish(commands[i]->run(argc - 1, argv + 1));
        }
    fprintf(stderr, "quern: unknown command %s; see quern --help\n", argv[1]);
    return EXIT_USAGE;
}
