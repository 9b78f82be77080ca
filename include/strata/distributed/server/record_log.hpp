// A log: records that are appended and read again in that order, whatever happened to the process that wrote them.
//
// A record is its length, its checksum and its bytes. A record that was not written to its end, by a process that was killed,
// is cut off when the log is opened again: nobody was told that it was there.
#pragma once

#include <fcntl.h>

#include <array>
#include <span>
#include <vector>

#include "../../io/checksum.hpp"
#include "../../io/file_descriptor.hpp"

namespace strata::inline STRATA_ABI::detail {

class RecordLog {
public:
    /// A new one, in place of a file of this name. `durable`: records survive a power cut too, not only the process.
    static RecordLog create(std::string const& path, bool durable) {
        return RecordLog(path, O_CREAT | O_TRUNC, durable);
    }
    /// Goes on with a log; f(bytes) is called for each of its records, and what is behind the last one is cut off. Throws
    /// Error where there is no such file, or a record in its middle is damaged.
    template <class F>
    static RecordLog open(std::string const& path, bool durable, F const& f) {
        std::uint64_t const whole = read(path, f);
        RecordLog log(path, 0, durable);
        if (::ftruncate(log.file_.get(), static_cast<off_t>(whole)) != 0)
            fail_with_errno(path, "cannot cut off the log's unfinished record");
        if (::lseek(log.file_.get(), 0, SEEK_END) < 0) fail_with_errno(path, "cannot go to the end of the log");
        return log;
    }
    /// Calls f(bytes) for every record; returns the bytes of those that are whole.
    template <class F>
    static std::uint64_t read(std::string const& path, F const& f) {
        auto file = FileDescriptor::open_to_read(path);
        std::uint64_t const size = file.size();
        std::uint64_t at = 0;
        std::vector<std::byte> bytes;
        while (size - at >= head_bytes) {
            std::array<std::uint64_t, 3> head{};
            file.read(head.data(), head_bytes);
            if (head[0] == 0 && head[1] == 0 && head[2] == 0) break;  // a disk's, of a power cut
            if (head[2] != checksum_of_head(head))
                fail(path, ": the record at byte ", at, " of the log is damaged, ", size - at,
                     " bytes before its end: nothing was changed");
            if (head[0] > size - at - head_bytes) break;
            bytes.resize(static_cast<std::size_t>(head[0]));
            file.read(bytes.data(), bytes.size());
            if (checksum(bytes) != head[1]) {
                if (at + head_bytes + head[0] < size)
                    fail(path, ": the record at byte ", at, " of the log is damaged, and others follow it");
                break;
            }
            f(std::span<std::byte const>(bytes));
            at += head_bytes + head[0];
        }
        return at;
    }

    /// Throws Error where it cannot be written.
    void append(std::span<std::byte const> bytes) {
        std::array<std::uint64_t, 3> head{bytes.size(), checksum(bytes)};
        head[2] = checksum_of_head(head);
        file_.write(head.data(), head_bytes);
        file_.write(bytes.data(), bytes.size());
        if (durable_) flush();
    }
    /// Until all of it is on the disk.
    void flush() {
        if (::fdatasync(file_.get()) != 0) fail_with_errno(path_, "cannot flush the log to the disk");
    }

private:
    static constexpr std::size_t head_bytes = 3 * sizeof(std::uint64_t);  // size, checksum, checksum of the two

    RecordLog(std::string const& path, int how, bool durable)
        : file_(::open(path.c_str(), O_WRONLY | O_CLOEXEC | how, 0666), path), path_(path), durable_(durable) {
        if (file_.get() < 0) fail_with_errno(path, "cannot write the log");
    }
    static std::uint64_t checksum_of_head(std::array<std::uint64_t, 3> const& head) {
        return checksum(std::as_bytes(std::span(head).first(2)));
    }
    static std::uint64_t checksum(std::span<std::byte const> bytes) {
        Checksum sum;
        sum.add(bytes.data(), bytes.size());
        return sum.value();
    }

    FileDescriptor file_;
    std::string path_;
    bool durable_;
};

}  // namespace strata::inline STRATA_ABI::detail
