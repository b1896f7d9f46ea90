/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A document inside: one array of nodes, every value followed by what is in it. */
#ifndef QNI_IO_JSON_NODES_H
#define QNI_IO_JSON_NODES_H

#include "io/json.h"

struct qni_json_node {
    union {
        int64_t integer;
        double real;
        uint32_t text; /* of a string: where in the strings */
        bool truth;
    } u;
    uint32_t key;   /* of a member: where in the strings */
    uint32_t end;   /* the node after this value and all that is in it */
    uint32_t count; /* children */
    uint8_t type;
    bool is_integer;
};

struct qni_json {
    qn_context *ctx;
    char *name;
    struct qni_json_node *node;
    size_t nodes, node_room;
    char *strings;
    size_t string_bytes;
};

#endif
