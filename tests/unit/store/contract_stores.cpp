// The stores that need nothing but this machine: in memory, on a real folder with a thread, and on
// a simulated disk without one.
#include "runtime/store/memory_store.hpp"
#include "runtime/store/sim_disk.hpp"
#include "tests/unit/store/contract.hpp"

namespace tayfa::store::testing {
namespace {

struct in_memory final : store_home {
  std::unique_ptr<job_store> make() override { return std::make_unique<memory_store>(); }
};

struct in_memory_posted final : store_home {
  std::vector<std::function<void()>> posted;
  std::unique_ptr<job_store> make() override {
    return std::make_unique<memory_store>(
        [this](std::function<void()> call) { posted.push_back(std::move(call)); });
  }
  void run(job_store&) override {
    while (!posted.empty()) {
      for (auto& call : std::exchange(posted, {})) {
        call();
      }
    }
  }
};

struct in_folder final : store_home {
  temp_folder folder;
  manual_time time;
  std::unique_ptr<job_store> make() override {
    return std::make_unique<sqlite_store>(
        time, sqlite_store_options{.folder = folder.path(), .boot = "boot"});
  }
};

struct on_simulated_disk final : store_home {
  sim_disk disk{{.seed = 7}};
  manual_time time;
  std::unique_ptr<job_store> make() override {
    return std::make_unique<sqlite_store>(time, sqlite_store_options{.folder = "/data",
                                                                     .boot = "boot",
                                                                     .vfs = disk.vfs_name(),
                                                                     .files = &disk.files(),
                                                                     .inline_mode = true});
  }
  void run(job_store& store) override { drive(store, true); }
};

template <class Home>
store_kind kind_of() {
  return {[]() -> std::unique_ptr<store_home> { return std::make_unique<Home>(); }};
}

INSTANTIATE_TEST_SUITE_P(stores, contract,
                         ::testing::Values(kind_of<in_memory>(), kind_of<in_memory_posted>(),
                                           kind_of<in_folder>(), kind_of<on_simulated_disk>()));
INSTANTIATE_TEST_SUITE_P(stores, durable,
                         ::testing::Values(kind_of<in_folder>(), kind_of<on_simulated_disk>()));

} // namespace
} // namespace tayfa::store::testing
