#include "runtime/store/sim_disk.hpp"

#include <cerrno>

namespace tayfa::store {

/// The file_system interface of the disk, for large texts.
class sim_disk::sim_files final : public file_system {
 public:
  explicit sim_files(sim_disk& disk) : disk_(disk) {}

  result<void> prepare(const std::string& folder) override {
    // Makes the folder and its parents as if they had existed for long.
    return outcome_of("making", folder, disk_.make_old_folder(folder));
  }
  result<void> make_folder(const std::string& path) override {
    return outcome_of("making", path, disk_.make_folder(path));
  }
  result<void> make_file(const std::string& path) override {
    opened ignored;
    return outcome_of("making", path, disk_.open_file(path, true, ignored));
  }
  result<void> write_flushed(const std::string& path, std::string_view bytes) override {
    opened file;
    int number = disk_.open_file(path, true, file);
    number = number != 0 ? number : disk_.truncate(file, 0);
    number = number != 0 ? number : disk_.write(file, 0, bytes);
    if (number != 0) {
      return outcome_of("writing", path, number);
    }
    return disk_.sync(file) == 0 ? result<void>{} : fail(errc::io_error, "flushing " + path);
  }
  result<void> write_again(const std::string& path) override {
    opened file;
    std::string bytes;
    std::size_t size = 0;
    int number = disk_.open_file(path, false, file);
    number = number != 0 ? number : disk_.size(file, size);
    number = number != 0 ? number : disk_.read(file, 0, size, bytes);
    number = number != 0 ? number : disk_.write(file, 0, bytes);
    if (number != 0) {
      return outcome_of("writing", path, number);
    }
    return disk_.sync(file) == 0 ? result<void>{} : fail(errc::io_error, "flushing " + path);
  }
  result<void> rename(const std::string& from, const std::string& to) override {
    return outcome_of("renaming", from, disk_.rename(from, to));
  }
  result<void> sync_folder(const std::string& path) override {
    return disk_.sync_folder(path) == 0 ? result<void>{} : fail(errc::io_error, "flushing " + path);
  }
  result<std::string> read(const std::string& path, std::size_t limit) override {
    opened file;
    std::string bytes;
    int number = disk_.open_file(path, false, file);
    number = number != 0 ? number : disk_.read(file, 0, limit, bytes);
    if (number != 0) {
      return fail(outcome_of("reading", path, number).error());
    }
    return bytes;
  }
  result<void> remove(const std::string& path) override {
    const int number = disk_.remove(path);
    return outcome_of("removing", path, number == ENOENT ? 0 : number);
  }
  result<std::vector<std::string>> list(const std::string& folder) override {
    return disk_.list(folder);
  }
  result<file_identity> identity(const std::string& path) override {
    const auto number = disk_.number_of(path);
    return number != 0 ? result<file_identity>{file_identity{1, number}}
                       : fail(errc::not_found, "looking at " + path);
  }
  result<void> write_over(const std::string& path, std::string_view bytes) override {
    opened file;
    const int number = disk_.open_file(path, false, file);
    return outcome_of("writing", path, number != 0 ? number : disk_.write(file, 0, bytes));
  }
  result<void> occupy(const std::string& path, std::size_t bytes) override {
    opened file;
    std::size_t size = 0;
    int number = disk_.open_file(path, true, file);
    number = number != 0 ? number : disk_.size(file, size);
    if (number == 0 && size > bytes) {
      number = disk_.truncate(file, bytes);
    } else if (number == 0 && size < bytes) {
      number = disk_.write(file, size, std::string(bytes - size, '\0'));
      if (number != 0) {
        static_cast<void>(disk_.truncate(file, size));
      }
    }
    return outcome_of("reserving space in", path, number);
  }
  result<std::size_t> disk_bytes(const std::string&) override { return std::size_t{1} << 40; }
  result<std::size_t> size(const std::string& path) override {
    opened file;
    std::size_t bytes = 0;
    int number = disk_.open_file(path, false, file);
    number = number != 0 ? number : disk_.size(file, bytes);
    return number == 0 ? result<std::size_t>{bytes}
                       : fail(outcome_of("looking at", path, number).error());
  }

 private:
  static result<void> outcome_of(std::string_view what, const std::string& path, int number) {
    if (number == 0) {
      return {};
    }
    const auto code = number == ENOSPC   ? errc::storage_full
                      : number == ENOENT ? errc::not_found
                                         : errc::io_error;
    return fail(code, std::string{what} + " " + path);
  }

  sim_disk& disk_;
};

file_system& sim_disk::files() {
  const std::lock_guard guard{mutex_};
  if (!files_) {
    files_ = std::make_unique<sim_files>(*this);
  }
  return *files_;
}

int sim_disk::make_old_folder(const std::string& path) {
  const std::lock_guard guard{mutex_};
  if (!power_) {
    return EIO;
  }
  folders_.insert(path);
  flushed_folders_.insert(path);
  return 0;
}

} // namespace tayfa::store
