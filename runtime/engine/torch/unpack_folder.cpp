#include "runtime/engine/torch/unpack_folder.hpp"

#include "runtime/base/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tayfa::engine {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::size_t probe_bytes = std::size_t{256} << 10;
constexpr std::uint64_t files_wanted = 32; ///< a package has a handful

fs::path temporary() {
  const char* const wanted = std::getenv("TMPDIR");
  return wanted != nullptr && *wanted != '\0' ? fs::path{wanted} : fs::path{"/tmp"};
}

tl::unexpected<error> place_failed(int number) {
  const bool passing = number == ENOSPC || number == EDQUOT || number == EMFILE ||
                       number == ENFILE || number == ENOMEM;
  return fail(passing ? errc::unavailable : errc::unfit,
              std::string{"the package cannot be unpacked into the engine's temporary folder "
                          "(engine.temporary): "} +
                  std::strerror(number));
}

/// Rounded up: at least 1 unless there are no bytes.
std::string in_mib(std::uint64_t bytes) {
  return std::to_string((bytes + mib - 1) / mib) + " MiB";
}

std::uint64_t bytes_in(const std::string& folder) {
  std::uint64_t sum = 0;
  std::error_code ec;
  for (fs::recursive_directory_iterator at{folder, ec}, end; !ec && at != end; at.increment(ec)) {
    std::error_code ignored;
    const auto size = at->is_regular_file(ignored) ? at->file_size(ignored) : 0;
    sum += ignored ? 0 : size;
  }
  return sum;
}

result<void> check_room(const std::string& folder, std::uint64_t bytes) {
  struct statvfs about {};
  if (::statvfs(folder.c_str(), &about) != 0) {
    return place_failed(errno);
  }
  const auto unpacked = bytes_in(folder);
  const auto wanted = bytes - std::min(bytes, unpacked);
  const std::uint64_t free = std::uint64_t{about.f_bavail} * about.f_frsize;
  if (about.f_blocks > 0 && free < wanted) {
    return fail(errc::unavailable, "no room to unpack the package: " + in_mib(wanted) +
                                       " are needed in the engine's temporary folder "
                                       "(engine.temporary), " +
                                       std::to_string(free / mib) + " MiB are free");
  }
  if (about.f_files > 0 && about.f_favail < files_wanted) {
    return fail(errc::unavailable,
                "no room to unpack the package: the file system of the engine's temporary folder "
                "(engine.temporary) has no inodes left");
  }
  return {};
}

/// Tests what statvfs does not show: quotas, and whether files may be mapped as executable, which
/// opening a library requires.
result<void> check_by_trying(const std::string& folder) {
  const std::string path = folder + "/probe";
  const unique_fd file{::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!file) {
    return place_failed(errno);
  }
  ::unlink(path.c_str());
  const std::vector<char> bytes(probe_bytes, 'x');
  const auto wrote = ::write(file.get(), bytes.data(), bytes.size());
  const int why = wrote < 0 ? errno : ENOSPC;
  void* const program = ::mmap(nullptr, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, file.get(), 0);
  const bool runs = program != MAP_FAILED || errno != EPERM;
  if (program != MAP_FAILED) {
    ::munmap(program, 1);
  }
  if (wrote != static_cast<ssize_t>(bytes.size())) {
    return place_failed(why);
  }
  if (!runs) {
    return fail(errc::unfit, "a package's code cannot run from the engine's temporary folder: its "
                             "file system is mounted noexec; engine.temporary names another one");
  }
  return {};
}

} // namespace

result<unpack_folder> unpack_folder::make(std::uint64_t bytes) {
  auto path = (temporary() / "unpacked-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    return place_failed(errno);
  }
  unpack_folder made{std::move(path), bytes};
  if (auto fit = made.check(); !fit) {
    return fail(std::move(fit.error()));
  }
  return made;
}

unpack_folder::unpack_folder(unpack_folder&& other) noexcept
    : path_(std::exchange(other.path_, {})), bytes_(other.bytes_) {}

unpack_folder::~unpack_folder() {
  if (!path_.empty()) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
}

result<void> unpack_folder::check() const {
  auto room = check_room(path_, bytes_);
  return room ? check_by_trying(path_) : room;
}

void unpack_folder::lend(const std::function<void()>& body) const {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before != nullptr ? before : "";
  ::setenv("TMPDIR", path_.c_str(), 1);
  const auto restore = [&] {
    if (before != nullptr) {
      ::setenv("TMPDIR", kept.c_str(), 1);
    } else {
      ::unsetenv("TMPDIR");
    }
  };
  try {
    body();
  } catch (...) {
    restore();
    throw;
  }
  restore();
}

} // namespace tayfa::engine
