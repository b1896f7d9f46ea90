/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Broken drivers beside a sound one, and no OpenCL at all. Arguments: the quern command, then the broken drivers. */
#include "device/device.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *tool;
static char **drivers;
static int driver_count;
static char folder[64];
static char logged[4000];

static void keep_line(void *user, qn_log_level level, const char *line)
{
    size_t used = strlen(logged);

    (void)user;
    snprintf(logged + used, sizeof(logged) - used, "\n%s%s", level == QN_LOG_WARNING ? "warning: " : "", line);
}

static bool write_file(const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    return f && fprintf(f, "%s\n", text) > 0 && fclose(f) == 0;
}

/* A folder of .icd files: the broken drivers, one that is not there, one that is no library, and the system's PoCL. */
static bool make_vendors(void)
{
    char name[32], line[512] = "";
    FILE *f = fopen("/etc/OpenCL/vendors/pocl.icd", "r");
    bool ok = f && fgets(line, sizeof(line), f);

    if (f)
        fclose(f);
    if (!ok)
        return false;
    line[strcspn(line, "\n")] = '\0';
    snprintf(folder, sizeof(folder), "/tmp/quern-icd-XXXXXX");
    ok = mkdtemp(folder) && write_file("50-pocl.icd", line) && write_file("00-gone.icd", "/nonexistent/libgone.so") &&
         write_file("01-no-library.icd", "/etc/passwd") && write_file("02-empty.icd", "");
    for (int i = 0; ok && i < driver_count; i++) {
        snprintf(name, sizeof(name), "%d-broken.icd", 10 + i);
        ok = write_file(name, drivers[i]);
    }
    return ok;
}

static void remove_vendors(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    CHECK_INT(system(command), 0);
}

static void survives(void)
{
    qn_context *ctx = NULL;
    qn_device_info *list = NULL;
    qn_device *dev = NULL;
    size_t n = 0, sound = 0, endless = 0;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .log = keep_line }));
    CHECK_OK(qn_device_list(&list, &n, ctx));
    for (size_t i = 0; i < n; i++) {
        sound += list[i].usable;
        CHECK(list[i].usable == list[i].chosen);
        if (!list[i].usable)
            CHECK(strstr(list[i].reason, "not usable: "));
        endless += list[i].name[0] == 'x' && strlen(list[i].name) == sizeof(list[i].name) - 1;
    }
    CHECK_INT(sound, 1);
    CHECK_INT(n, 3); /* the mute one, the one with the long name, and PoCL */
    CHECK_INT(endless, 1);
    CHECK(strstr(logged, "\nOpenCL platform Fake shows no device: CL_DEVICE_NOT_FOUND"));
    CHECK(strstr(logged, "\nwarning: OpenCL platform Fake shows no device: CL_OUT_OF_HOST_MEMORY"));
    qn_device_list_free(&list, ctx);
    CHECK_OK(qn_device_open(&dev, ctx, NULL));
    CHECK_OK(qn_device_finish(dev));
    qn_device_close(&dev);
    CHECK_STATUS(qn_device_open(&dev, ctx, "xxx"), QN_E_NO_DEVICE, "not usable");
    qn_context_destroy(&ctx);
}

/* Run the command; its exit status, and what it wrote: on both streams unless arguments redirect one. */
static int run_tool(const char *before, const char *arguments, char *text, size_t bytes)
{
    char command[1024];
    FILE *p;
    size_t n;
    int status;

    snprintf(command, sizeof(command), "%s '%s' %s%s", before, tool, arguments, strchr(arguments, '>') ? "" : " 2>&1");
    p = popen(command, "r");
    if (!p)
        return -1;
    n = fread(text, 1, bytes - 1, p);
    text[n] = '\0';
    status = pclose(p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void command(void)
{
    static char text[1 << 22];

    CHECK_INT(run_tool("", "devices", text, sizeof(text)), 0);
    CHECK(strstr(text, "\n* ") && strstr(text, "the only one that can be used"));
    CHECK_INT(run_tool("", "devices --long", text, sizeof(text)), 0);
    CHECK(strstr(text, "CL_DEVICE_MAX_COMPUTE_UNITS"));
    CHECK(strstr(text, "CL_INVALID_DEVICE")); /* a failed query is a value to print */
    CHECK_INT(run_tool("", "devices --raw", text, sizeof(text)), 0);
    CHECK(strstr(text, "#PLATFORMS") && strstr(text, "\n[FAKE/0]  ") && strstr(text, "\n[POCL/0]  "));
    CHECK_INT(run_tool("LC_ALL=de_DE.UTF-8", "devices --json --long 2>/dev/null", text, sizeof(text)), 0);
    CHECK(text[0] == '[' && strstr(text, "\"chosen\": true") && strstr(text, "\"properties\": {"));
    CHECK_INT(run_tool("QUERN_DEVICE=voodoo", "devices", text, sizeof(text)), 0); /* one could be used */
    CHECK(strstr(text, "no device fits 'voodoo' (QUERN_DEVICE)"));
    CHECK_INT(run_tool("OCL_ICD_VENDORS=/nonexistent", "devices", text, sizeof(text)), 3);
    CHECK(strstr(text, "pocl-opencl-icd"));
    CHECK(strstr(text, "\n- OCL_ICD_VENDORS is /nonexistent, which is not there\n  unset OCL_ICD_VENDORS"));
    CHECK_INT(run_tool("", "devices --diagnose", text, sizeof(text)), 0);
    CHECK(strstr(text, "/00-gone.icd: the driver's library does not load: /nonexistent/libgone.so"));
    CHECK(strstr(text, "/01-no-library.icd: the driver's library does not load: /etc/passwd"));
    CHECK(strstr(text, "\n* ") && !strstr(text, "pocl.icd: "));
    CHECK_INT(run_tool("", "devices --longer", text, sizeof(text)), 2);
    CHECK_INT(run_tool("", "devices now", text, sizeof(text)), 2);
    CHECK_INT(run_tool("", "", text, sizeof(text)), 2);
    CHECK_INT(run_tool("", "devise", text, sizeof(text)), 2);
    CHECK_INT(run_tool("", "devices --help", text, sizeof(text)), 0);
    CHECK(strstr(text, "--json"));
    CHECK_INT(run_tool("", "--version", text, sizeof(text)), 0);
    CHECK(strstr(text, qn_version()));
    CHECK_INT(run_tool("", "devices >/dev/full", text, sizeof(text)), 1);
}

static void no_pocl(void)
{
    test_skip("no pocl.icd on this machine");
}

static void no_library(void)
{
    static char text[4096];
    qn_device *dev = NULL;
    qn_device_info *list = NULL;
    size_t n = 1;

    setenv("QUERN_OPENCL_LIBRARY", "/nonexistent/libOpenCL.so.1", 1);
    CHECK_STATUS(qn_device_open(&dev, NULL, NULL), QN_E_NO_DEVICE, "install");
    CHECK(!dev && strstr(qn_last_error(), "/nonexistent/libOpenCL.so.1"));
    CHECK_STATUS(qn_device_list(&list, &n, NULL), QN_E_NO_DEVICE, "ocl-icd-libopencl1");
    CHECK(!list && n == 0);
    CHECK_INT(run_tool("", "devices", text, sizeof(text)), 3);
    CHECK(strstr(text, "pocl-opencl-icd"));
    CHECK_INT(run_tool("", "devices --json 2>/dev/null", text, sizeof(text)), 3);
    CHECK_STR(text, "[]\n");

    setenv("QUERN_OPENCL_LIBRARY", drivers[0], 1); /* a library, but not OpenCL's */
    CHECK_STATUS(qn_device_open(&dev, NULL, NULL), QN_E_NO_DEVICE, "lacks clGetPlatformIDs");
    unsetenv("QUERN_OPENCL_LIBRARY");
    CHECK_OK(qn_device_open(&dev, NULL, NULL)); /* another context may still find it */
    qn_device_close(&dev);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return EXIT_FAILURE;
    tool = argv[1];
    drivers = argv + 2;
    driver_count = argc - 2;
    if (!make_vendors()) {
        test_run("icd: broken drivers beside a sound one", no_pocl);
        return test_end();
    }
    setenv("OCL_ICD_VENDORS", folder, 1); /* the loader reads it once, at its first call */
    unsetenv("QUERN_DEVICE");
    test_run("icd: no OpenCL library says what to install", no_library);
    test_run("icd: broken drivers beside a sound one", survives);
    test_run("icd: the command, its exit status, its text", command);
    remove_vendors();
    return test_end();
}
