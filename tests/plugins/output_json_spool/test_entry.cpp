// The plugin as the daemon sees it, on file operations that can fail.
#include "faulty_files.hpp"
#include "stage.hpp"

namespace lsmtpd::json_spool::testing {

class FaultyStage : public Stage {
 public:
  FaultyStage(sdk::Host host, sdk::Config config)
      : Stage(host, config, std::make_unique<FaultyFiles>()) {}
};

}  // namespace lsmtpd::json_spool::testing

LSMTPD_PLUGIN(lsmtpd::json_spool::testing::FaultyStage, "output_json_spool", "1.0.0", "lsmtpd",
              "the spool, with faults");
