/* SPDX-License-Identifier: Apache-2.0 */
/* The words for states, and the only ways from one to another. */
#include "queue/operate.h"

static const char *const names[QUEUE_STATE_MAX] = {[QUEUE_STATE_NONE] = "none",
#define X(name, code, word) [QUEUE_##name] = word,
                                                   QUEUE_STATE_TABLE(X)
#undef X
};

static const uint8_t ways[QUEUE_STATE_MAX][QUEUE_VERB_COUNT] = {
#define X(from, verb, to) [QUEUE_##from][QUEUE_DO_##verb] = QUEUE_##to,
    QUEUE_TRANSITION_TABLE(X)
#undef X
};

bool queue_transition(enum queue_state from, enum queue_verb verb, enum queue_state *ret_to)
{
    if ((unsigned)from >= QUEUE_STATE_MAX || (unsigned)verb >= QUEUE_VERB_COUNT || ways[from][verb] == 0)
        return false;
    *ret_to = (enum queue_state)ways[from][verb];
    return true;
}

const char *queue_state_name(enum queue_state s)
{
    return (unsigned)s < QUEUE_STATE_MAX && names[s] ? names[s] : "none";
}

bool queue_state_parse(struct tl_sv word, enum queue_state *ret_state)
{
    for (unsigned i = 1; i < QUEUE_STATE_MAX; i++) {
        if (names[i] && tl_sv_eqs(word, names[i])) {
            *ret_state = (enum queue_state)i;
            return true;
        }
    }
    return false;
}

const char *queue_held_name(enum queue_held h)
{
    static const char *const held[] = {
        [QUEUE_HELD_NONE] = "none",
        [QUEUE_HELD_FLOW_PAUSED] = "flow_paused",
        [QUEUE_HELD_FLOW_TRIPPED] = "flow_tripped",
        [QUEUE_HELD_FLOW_CONFIG] = "flow_config",
        [QUEUE_HELD_FLOW_REMOVED] = "flow_removed",
        [QUEUE_HELD_CONNECTION_PAUSED] = "connection_paused",
        [QUEUE_HELD_CONNECTION_AUTH] = "connection_auth",
        [QUEUE_HELD_IDENTITY] = "identity_changed",
        [QUEUE_HELD_BREAKER] = "breaker",
        [QUEUE_HELD_RATE] = "rate",
        [QUEUE_HELD_QUOTA] = "quota",
        [QUEUE_HELD_CONCURRENCY] = "concurrency",
        [QUEUE_HELD_BACKOFF] = "backoff",
        [QUEUE_HELD_KEY_BLOCKED] = "key_blocked",
        [QUEUE_HELD_BEHIND] = "behind",
        [QUEUE_HELD_DISK] = "disk",
        [QUEUE_HELD_DRAINING] = "draining",
        [QUEUE_HELD_TARGET_CHANGED] = "target_changed",
        [QUEUE_HELD_EVENT] = "event_held",
    };

    return (unsigned)h < TL_COUNT(held) && held[h] ? held[h] : "none";
}
