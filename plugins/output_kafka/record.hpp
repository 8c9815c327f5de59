// SPDX-License-Identifier: Apache-2.0
// One copy of a message as a Kafka record: its headers, and its size in a batch. Pure.
#pragma once

#include <cstdint>
#include <sink/job.hpp>
#include <string>
#include <utility>
#include <vector>

#include "kafka_options.hpp"

namespace lsmtpd::kafka {

using Headers = std::vector<std::pair<std::string, std::string>>;

// message_id, copy_id, content_type, and the envelope and annotations as other outputs name them.
Headers headers_of(const Part& part, const Options& options);

std::uint64_t size_of(const Headers& headers);

// Octets of a batch that has only this record, which max.message.bytes is compared with. `key` is
// null where there is none.
std::uint64_t batch_size(const std::string* key, std::uint64_t value, const Headers& headers);

// The largest content that fits into `largest` octets with any headers, or half of them where that
// is little; 0: no limit is known.
std::uint64_t announced(std::uint64_t largest, const Options& options);

}  // namespace lsmtpd::kafka
