#include "runtime/engine/torch/unpack_folder.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace tayfa::engine {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "tayfa-unpacked-";

fs::path temporary() {
  const char* const wanted = std::getenv("TMPDIR");
  return wanted != nullptr && *wanted != '\0' ? fs::path{wanted} : fs::path{"/tmp"};
}

/// A descriptor of the folder, locked; -1 when it is none of ours, somebody holds it, or it is
/// gone.
int locked(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) {
    return -1;
  }
  struct stat opened {};
  struct stat named {};
  const bool ours = ::fstat(descriptor, &opened) == 0 && opened.st_uid == ::geteuid() &&
                    ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
                    ::lstat(path.c_str(), &named) == 0 && named.st_ino == opened.st_ino;
  if (!ours) {
    ::close(descriptor);
    return -1;
  }
  return descriptor;
}

void remove_left_over(const fs::path& parent) {
  std::error_code ec;
  for (fs::directory_iterator at{parent, ec}, end; !ec && at != end; at.increment(ec)) {
    const auto path = at->path();
    if (!path.filename().string().starts_with(prefix)) {
      continue;
    }
    if (const int lock = locked(path.string()); lock >= 0) {
      std::error_code ignored;
      fs::remove_all(path, ignored);
      ::close(lock);
    }
  }
}

} // namespace

result<unpack_folder> unpack_folder::make() {
  const auto parent = temporary();
  remove_left_over(parent);
  // Another engine may clear a folder in the moment before it is locked; then the next one is
  // tried.
  for (int tries = 0; tries < 10; ++tries) {
    auto path = (parent / "tayfa-unpacked-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      break;
    }
    if (const int lock = locked(path); lock >= 0) {
      return unpack_folder{std::move(path), lock};
    }
  }
  return fail(errc::unfit, "no folder for unpacking can be made in " + parent.string());
}

unpack_folder::unpack_folder(unpack_folder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

unpack_folder::~unpack_folder() {
  if (lock_ >= 0) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    ::close(lock_);
  }
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
