/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Preloaded, makes PoCL compile for the CPU that $OTHER_CPU names as LLVM does ("haswell") instead of the one it runs on, a
 * newer one: what it keeps is then found under Valgrind, which shows an older CPU and takes minutes for each kernel.
 * LLVM has this in C++; names and layouts are those of LLVM 5 to 18 on x86-64. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NAME     _ZN4llvm3sys14getHostCPUNameEv
#define FEATURES _ZN4llvm3sys18getHostCPUFeaturesERNS_9StringMapIbNS_15MallocAllocatorEEE
#define TEXT(x)  #x
#define SYMBOL(x) TEXT(x)

/* llvm::StringRef */
struct text {
    const char *data;
    size_t bytes;
};

/* llvm::StringMap<bool>: a table of entries, some free and some taken out */
struct entry {
    size_t bytes;
    bool value;
    char key[] __attribute__((aligned(8)));
};

struct map {
    struct entry **table;
    unsigned int buckets;
};

#define TAKEN_OUT ((uintptr_t)-8)

struct text NAME(void)
{
    const char *name = getenv("OTHER_CPU");

    return (struct text){name, name ? strlen(name) : 0};
}

static int find_llvm(struct dl_phdr_info *info, size_t bytes, void *name)
{
    (void)bytes;
    if (strstr(info->dlpi_name, "libLLVM"))
        *(const char **)name = info->dlpi_name;
    return *(const char **)name != NULL;
}

/* This machine's, less what no older CPU has. */
bool FEATURES(struct map *features)
{
    bool (*real)(struct map *features) = NULL;
    const char *name = NULL;

    dl_iterate_phdr(find_llvm, &name);
    if (name)
        *(void **)&real = dlsym(dlopen(name, RTLD_NOW | RTLD_NOLOAD), SYMBOL(FEATURES));
    if (!real || !real(features))
        return false;
    for (unsigned int i = 0; i < features->buckets; i++) {
        struct entry *e = features->table[i];

        if (e && (uintptr_t)e != TAKEN_OUT && (!strncmp(e->key, "avx512", 6) || !strncmp(e->key, "amx", 3)))
            e->value = false;
    }
    return true;
}

/* The loader opens drivers in a way that they see their own libraries first. */
void *dlopen(const char *file, int flags)
{
    static void *(*next)(const char *, int);

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "dlopen");
    return next(file, flags & ~RTLD_DEEPBIND);
}
