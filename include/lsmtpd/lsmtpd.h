// SPDX-License-Identifier: Apache-2.0
/* Everything a plugin may use. */
#ifndef LSMTPD_LSMTPD_H
#define LSMTPD_LSMTPD_H

#include "abi.h"
#include "admission.h"
#include "annotations.h"
#include "auth.h"
#include "command.h"
#include "control.h"
#include "dns.h"
#include "edits.h"
#include "filter.h"
#include "header.h"
#include "host.h"
#include "log.h"
#include "loop.h"
#include "memory.h"
#include "message.h"
#include "metrics.h"
#include "options.h"
#include "output.h"
#include "plugin.h"
#include "probe.h"
#include "reload.h"
#include "replay.h"
#include "session.h"

#endif
