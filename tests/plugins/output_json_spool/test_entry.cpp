// SPDX-License-Identifier: Apache-2.0
// The plugin as the daemon sees it, on file operations that can fail.
#include "faulty_files.hpp"
#include "spool_fixture.hpp"
#include "spool_instance.hpp"

namespace lsmtpd::json_spool::testing {

class FaultyInstance : public Instance {
 public:
  FaultyInstance(sdk::Host host, sdk::Config config)
      : Instance(host, config, std::make_unique<FaultyFiles>()) {
    latest = this;
  }
  ~FaultyInstance() override {
    if (latest == this) latest = nullptr;
  }
  using Instance::files_are_made;

  static inline FaultyInstance* latest = nullptr;
};

bool files_are_made() {
  return FaultyInstance::latest == nullptr || FaultyInstance::latest->files_are_made();
}

}  // namespace lsmtpd::json_spool::testing

LSMTPD_PLUGIN(lsmtpd::json_spool::testing::FaultyInstance, "output_json_spool", "1.0.0", "lsmtpd",
              "the spool, with faults");
