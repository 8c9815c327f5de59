// SPDX-License-Identifier: Apache-2.0
// output_json_spool: one file of LSMTPD's JSON for each message, on disk before the 250.
#include "spool_instance.hpp"

LSMTPD_EXCLUSIVE_PLUGIN(lsmtpd::json_spool::Instance, "output_json_spool", "1.0.0", "lsmtpd",
                        "stores each message as a JSON file, durable before the 250");
