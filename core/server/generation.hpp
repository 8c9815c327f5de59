// SPDX-License-Identifier: Apache-2.0
// One configuration in force: what each reload makes anew. A Generation is common to all workers;
// each worker has a part of it (WorkerGeneration), with lanes and chains on its own loop.
//
// The part on a worker is counted: the worker holds the newest one, each session the one whose
// chain it uses, and each chain run, delivery and late outcome the one that it began with. When
// nobody has it any more, the worker tells the main thread, and the lanes that no other generation
// has are closed. Instances that did not change are in several generations, with one lane each.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "pipeline/chain.hpp"
#include "pipeline/replay.hpp"
#include "plugin/instance.hpp"
#include "server/service.hpp"
#include "server/settings.hpp"

namespace lsmtpd::server {

// Made on the main thread, and const once worker 0 has prepared its part. The main thread holds it
// until every worker's part is gone, so that instances end there.
struct Generation {
  uint64_t number = 1;
  Settings settings;
  std::map<std::string, std::shared_ptr<plugin::Instance>> instances;  // started; by plugin name
  std::map<std::string, std::string> fallbacks = {};  // of outputs: the fallback's name
  // By the fallback's name. Worker 0 makes and owns them.
  std::map<std::string, pipeline::Replay*> replays = {};
};

// [loop]
struct WorkerGeneration {
  std::shared_ptr<const Generation> common;
  std::map<std::string, std::shared_ptr<plugin::Lane>> lanes;  // by plugin name
  std::map<std::string, pipeline::Chain> chains;
  std::map<std::string, Service> services;  // by the listener's address
};

}  // namespace lsmtpd::server
