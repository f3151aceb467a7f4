// The GPU visible to a slot's process.
#include "runtime/machine/slot_gpu.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using text = std::optional<std::string>;

TEST(slot_gpu, each_slot_sees_one_gpu_of_the_machine_and_starts_over) {
  EXPECT_EQ(gpu_of_slot(0, std::nullopt, 8), text{"0"});
  EXPECT_EQ(gpu_of_slot(7, std::nullopt, 8), text{"7"});
  EXPECT_EQ(gpu_of_slot(8, std::nullopt, 8), text{"0"});
  EXPECT_EQ(gpu_of_slot(3, std::nullopt, 1), text{"0"});
}

TEST(slot_gpu, what_the_runtime_may_see_is_shared_out) {
  EXPECT_EQ(gpu_of_slot(0, "2,5", 8), text{"2"});
  EXPECT_EQ(gpu_of_slot(1, "2, 5", 8), text{"5"});
  EXPECT_EQ(gpu_of_slot(2, "2,5", 8), text{"2"});
  EXPECT_EQ(gpu_of_slot(1, "GPU-8932f937,GPU-d0f6e1b2", 8), text{"GPU-d0f6e1b2"});
}

TEST(slot_gpu, nothing_is_chosen_where_nothing_is_to_be_seen) {
  EXPECT_EQ(gpu_of_slot(0, std::nullopt, 0), std::nullopt);
  EXPECT_EQ(gpu_of_slot(0, "", 8), std::nullopt);
  EXPECT_EQ(gpu_of_slot(0, "-1", 8), std::nullopt);
  EXPECT_EQ(gpu_of_slot(0, "NoDevFiles", 8), std::nullopt);
  EXPECT_EQ(gpu_of_slot(1, "3,-1,4", 8), text{"3"}) << "CUDA stops reading at the first bad entry";
}

TEST(slot_gpu, device_files_are_counted_by_their_numbers) {
  const auto folder = std::filesystem::path{testing::TempDir()} / "slot_gpu_dev";
  std::filesystem::create_directories(folder);
  for (const auto* name : {"nvidia0", "nvidia1", "nvidia15", "nvidiactl", "nvidia-uvm", "null"}) {
    std::ofstream{folder / name} << "";
  }
  EXPECT_EQ(count_gpus(folder.string()), 3U);
  EXPECT_EQ(count_gpus((folder / "missing").string()), 0U);
  std::filesystem::remove_all(folder);
}

} // namespace
} // namespace tayfa
