#include "runtime/base/private_file.hpp"

#include "runtime/base/plain_text.hpp"
#include "runtime/base/unique_fd.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <system_error>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace tayfa {

namespace {

tl::unexpected<error> failed(std::string_view what, const std::string& path, int number) {
  return fail(number == ENOENT ? errc::not_found : errc::io_error,
              std::string{what} + " " + path + ": " +
                  std::error_code(number, std::generic_category()).message());
}

unique_fd open_file(const std::string& path, int flags) {
  return unique_fd{::open(path.c_str(), flags | O_CLOEXEC, 0600)};
}

std::int64_t nanoseconds_of(const struct timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

file_stamp stamp_in(const struct stat& found) {
  return {found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size),
          nanoseconds_of(found.st_mtim), nanoseconds_of(found.st_ctim)};
}

/// True for a file mounted by a container's platform (a Secret, a Docker secret, a mounted file):
/// it is a symbolic link, on a read-only file system, or root's for a non-root user or without any
/// write permission. Its owner and mode are not ours to choose.
bool is_mounted(const unique_fd& file, const struct stat& found, const std::string& path) {
  struct stat named {};
  struct statvfs about {};
  return (::lstat(path.c_str(), &named) == 0 && S_ISLNK(named.st_mode)) ||
         (::fstatvfs(file.get(), &about) == 0 && (about.f_flag & ST_RDONLY) != 0) ||
         (found.st_uid == 0 && ::geteuid() != 0) || (found.st_mode & 0222U) == 0;
}

/// A user who can write the file decides what we trust; one who can read it learns secrets, or can
/// guess them offline. The first is always refused, the second only if the file is not mounted;
/// else it is a remark.
result<std::string> judge(const unique_fd& file, const struct stat& found, const std::string& path,
                          std::size_t bytes_max) {
  if (!S_ISREG(found.st_mode)) {
    return fail(errc::bad_config, path + " is no plain file");
  }
  const bool mounted = is_mounted(file, found, path);
  const bool foreign = found.st_uid != ::geteuid() && found.st_uid != 0;
  if (foreign && !(mounted && ::geteuid() == 0)) {
    return fail(errc::bad_config, path + " belongs to another user");
  }
  if ((found.st_mode & 022U) != 0 || ((found.st_mode & 055U) != 0 && !mounted)) {
    return fail(errc::bad_config,
                path + " may be read or written by others than its owner; chmod 600 " + path);
  }
  if (found.st_size > static_cast<off_t>(bytes_max)) {
    return fail(errc::bad_config, path + " is larger than " + std::to_string(bytes_max) + " bytes");
  }
  return (found.st_mode & 044U) != 0 || foreign
             ? path + " may be read by other users; it is mounted so (a Secret's defaultMode 0400 "
                      "with an fsGroup gives less)"
             : std::string{};
}

result<std::string> read_all(const unique_fd& file, const std::string& path,
                             std::size_t bytes_max) {
  std::string text(bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno != EINTR) {
      return failed("reading", path, errno);
    }
    if (got == 0) {
      text.resize(size);
      return text;
    }
    size += got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  return fail(errc::bad_config, path + " grew while it was read");
}

result<void> write_new(const std::string& path, std::string_view text) {
  const auto file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  // A file of this name, left by an interrupted change, may have another mode.
  if (!file || ::fchmod(file.get(), 0600) != 0) {
    return failed("making", path, errno);
  }
  while (!text.empty()) {
    const auto wrote = ::write(file.get(), text.data(), text.size());
    if (wrote < 0 && errno != EINTR) {
      return failed("writing", path, errno);
    }
    text.remove_prefix(wrote > 0 ? static_cast<std::size_t>(wrote) : 0);
  }
  if (::fsync(file.get()) != 0) {
    return failed("flushing", path, errno);
  }
  return {};
}

std::filesystem::path folder_of(const std::string& path) {
  auto folder = std::filesystem::path{path}.parent_path();
  return folder.empty() ? std::filesystem::path{"."} : folder;
}

result<void> replace(const std::string& from, const std::string& to, const unique_fd& folder) {
  if (::rename(from.c_str(), to.c_str()) != 0 || ::fsync(folder.get()) != 0) {
    return failed("replacing", to, errno);
  }
  return {};
}

} // namespace

std::optional<file_stamp> stamp_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? std::optional{stamp_in(found)} : std::nullopt;
}

result<private_file> read_private_file(const std::string& path, std::size_t bytes_max) {
  const auto file = open_file(path, O_RDONLY | O_NONBLOCK); // O_NONBLOCK: a pipe of this name must
                                                            // not block us
  struct stat found {};
  if (!file || ::fstat(file.get(), &found) != 0) {
    return failed("opening", path, errno);
  }
  auto remark = judge(file, found, path, bytes_max);
  if (!remark) {
    return fail(remark.error());
  }
  const auto bytes = read_all(file, path, bytes_max);
  if (!bytes) {
    return fail(bytes.error());
  }
  if (const auto foreign = text::why_not_utf8(*bytes)) {
    return fail(errc::bad_config, path + ": " + *foreign);
  }
  return private_file{std::string{text::without_mark(*bytes)}, stamp_in(found), std::move(*remark)};
}

result<void> change_private_file(const std::string& path, std::size_t bytes_max,
                                 const std::function<result<std::string>(std::string)>& change) {
  std::error_code wrong;
  const auto folder = folder_of(path);
  if (!std::filesystem::exists(folder, wrong)) {
    std::filesystem::create_directories(folder, wrong);
    ::chmod(folder.c_str(), 0700);
  }
  const auto place = open_file(folder.string(), O_RDONLY | O_DIRECTORY);
  if (!place || ::flock(place.get(), LOCK_EX) != 0) {
    return failed("opening", folder.string(), errno);
  }
  auto before = read_private_file(path, bytes_max);
  if (!before && before.error().code != errc::not_found) {
    return fail(before.error());
  }
  auto text = change(before ? std::move(before->text) : std::string{});
  if (!text) {
    return fail(text.error());
  }
  const std::string fresh = path + ".new";
  const auto written = write_new(fresh, *text);
  ::explicit_bzero(text->data(), text->size()); // it may be a secret
  if (!written) {
    ::unlink(fresh.c_str());
    return written;
  }
  return replace(fresh, path, place);
}

result<void> rename_private_file(const std::string& from, const std::string& to) {
  const auto place = open_file(folder_of(to).string(), O_RDONLY | O_DIRECTORY);
  if (!place || ::flock(place.get(), LOCK_EX) != 0) {
    return failed("opening", folder_of(to).string(), errno);
  }
  return replace(from, to, place);
}

} // namespace tayfa
