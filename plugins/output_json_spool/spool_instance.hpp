// SPDX-License-Identifier: Apache-2.0
// The spool's instance: opens the directory, owns the journal, the filer and the keeper that all
// workers share. [main], but for open_lane().
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <memory>
#include <optional>

#include "archive.hpp"
#include "capacity.hpp"
#include "directory.hpp"
#include "files.hpp"
#include "keeper.hpp"
#include "spool_lane.hpp"
#include "spool_settings.hpp"
#include "sweep.hpp"

namespace lsmtpd::json_spool {

class Instance : public sdk::Instance, public sdk::Reload {
 public:
  static constexpr const auto& options = Settings::options;
  static void validate(sdk::Config config, sdk::Report report) { check_settings(config, report); }

  static constexpr const char* command_name = "spool";
  static const char* const command_usage;
  static int command(sdk::Config config, const std::vector<std::string_view>& arguments,
                     sdk::Terminal terminal);

  Instance(sdk::Host host, sdk::Config config);
  ~Instance() override;

  bool start(sdk::Report& report) override;
  void stop() override;
  std::unique_ptr<Lane> open_lane(sdk::LaneHost host);

  // All options may change but the directory, the layout and the number of threads.
  bool prepare(sdk::Config config, sdk::Report& report) override;
  void commit() override;
  void abort() override { next_.reset(); }

 protected:
  // For tests: file operations that fail.
  Instance(sdk::Host host, sdk::Config config, std::unique_ptr<Files> files);
  // Each message that was stored has its file, where it is to have one.
  bool files_are_made() const;

 private:
  struct Running;

  Settings settings_;
  std::unique_ptr<Files> files_;
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<Running> running_;
  std::optional<Settings> next_;
};

}  // namespace lsmtpd::json_spool
