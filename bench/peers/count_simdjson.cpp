/*
 * simdjson (Debian's): its On-Demand parser over a stream of documents, counting in a hash
 * table of the standard library. One thread: with -pthread iterate_many() has a second one for
 * its first stage, which gained nothing over these files.
 */
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <unordered_map>

#include <simdjson.h>

struct group {
	std::string action;
	long long hour;
	bool operator==(const group &other) const
	{
		return hour == other.hour && action == other.action;
	}
};

struct group_hash {
	size_t operator()(const group &g) const
	{
		return std::hash<std::string>()(g.action) * 31 + std::hash<long long>()(g.hour);
	}
};

static long long seconds_of(std::string_view iso)
{
	std::tm tm = {};
	std::string text(iso);

	if (strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &tm) == nullptr) {
		std::fprintf(stderr, "no time: %s\n", text.c_str());
		std::exit(1);
	}
	return timegm(&tm);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 64;
	const bool wide = std::strcmp(argv[1], "wide") == 0;
	const auto start = std::chrono::steady_clock::now();
	std::unordered_map<group, long long, group_hash> counts;
	simdjson::ondemand::parser parser;
	for (const auto &entry : std::filesystem::directory_iterator(argv[3])) {
		auto bytes = simdjson::padded_string::load(entry.path().string());
		simdjson::ondemand::document_stream events;
		if (bytes.error() || parser.iterate_many(bytes.value()).get(events))
			return 1;
		for (auto event : events) {
			/* In any order of the fields, as the peers have it. */
			long long time = wide ? seconds_of(std::string_view(event["time"]))
					      : int64_t(event["time"]);
			std::string_view action = event["action"];
			counts[group{ std::string(action), time - time % 3600 }]++;
		}
	}
	std::fprintf(stderr, "seconds=%.6f\n",
		     std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
			     .count());
	for (const auto &[g, n] : counts)
		std::printf("%s,%lld,%lld\n", g.action.c_str(), g.hour, n);
}
