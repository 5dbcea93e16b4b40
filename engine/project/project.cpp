// SPDX-License-Identifier: GPL-3.0-or-later
//
// The project folder on disk. What runs and plans hold is the business of those who write them.

#include "engine/project/project.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "engine/core/file.h"

namespace velamen::project {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSchema = 1;
constexpr std::size_t kRecent = 20;
constexpr const char* kDocument = "project.json";
constexpr const char* kLock = ".lock";

/// Inside the project relative to it, elsewhere absolute; with forward slashes.
std::string stored(const fs::path& path, const fs::path& folder)
{
    if (path.empty()) return {};
    const fs::path whole = (path.is_absolute() ? path : folder / path).lexically_normal();
    const fs::path relative = whole.lexically_relative(folder);
    const bool is_inside = !relative.empty() && *relative.begin() != "..";
    return (is_inside ? relative : whole).generic_string();
}

fs::path restored(const std::string& text, const fs::path& folder)
{
    if (text.empty()) return {};
    const fs::path path(text);
    return path.is_absolute() ? path : (folder / path).lexically_normal();
}

io::Json to_json(const Settings& settings, const fs::path& folder, std::int64_t last_run)
{
    io::Json::Object json;
    json.emplace_back("schema", kSchema);
    json.emplace_back("name", settings.name);
    json.emplace_back("source", stored(settings.source, folder));
    json.emplace_back("checkpoint", stored(settings.checkpoint, folder));
    json.emplace_back("last_run", last_run);
    json.emplace_back("draft", settings.draft);
    return json;
}

/// The number of a run folder's name; nothing for any other name.
std::optional<std::int64_t> run_number(const fs::path& path)
{
    const std::string name = path.filename().string();
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size() || name.size() < 4 || number < 1)
        return std::nullopt;
    return number;
}

Result<fs::path> absolute_folder(const fs::path& folder)
{
    std::error_code error;
    fs::path path = fs::absolute(folder, error).lexically_normal();
    if (error || folder.empty())
        return fail(ErrorCode::InvalidArgument, "a project needs a folder");
    return path.has_filename() ? path : path.parent_path(); // "demo/" is "demo"
}

Result<> make_folders(const fs::path& folder)
{
    VELAMEN_TRY(core::make_directory(folder / "plans"));
    VELAMEN_TRY(core::make_directory(folder / "runs"));
    return core::make_directory(folder / "private", true);
}

fs::path recent_file() { return core::user_data_directory() / "recent.json"; }

std::vector<fs::path> read_recent()
{
    std::vector<fs::path> folders;
    const auto text = core::read_file(recent_file());
    if (!text) return folders;
    const auto json = io::Json::parse(*text);
    if (!json) return folders; // only a convenience: a broken list is an empty one
    for (const std::string& name : json->texts("projects").value_or(std::vector<std::string>{}))
        folders.emplace_back(name);
    return folders;
}

} // namespace

struct Project::State {
    fs::path folder;
    core::FileLock lock;
    Settings settings;
    std::int64_t last_run = 0;

    Result<> write(const Settings& next, std::int64_t run) const
    {
        return core::write_file(folder / kDocument, to_json(next, folder, run).dump(2) + "\n");
    }
};

Project::Project(std::unique_ptr<State> state) : state_(std::move(state)) {}
Project::~Project() = default;

Result<std::unique_ptr<Project>> Project::create(const fs::path& where, const std::string& name)
{
    VELAMEN_ASSIGN(const fs::path folder, absolute_folder(where));
    std::error_code error;
    if (fs::exists(folder / kDocument, error))
        return fail(ErrorCode::Refused, "there is already a project in " + folder.string(),
                    "open it, or choose another folder");
    if (fs::exists(folder, error)) {
        if (!fs::is_directory(folder, error))
            return fail(ErrorCode::Refused, folder.string() + " is a file", "choose a folder");
        for (const auto& entry : fs::directory_iterator(folder, error))
            if (entry.path().filename() != kLock)
                return fail(ErrorCode::Refused, folder.string() + " holds other files",
                            "choose an empty or a new folder");
        if (error)
            return fail(ErrorCode::Unreadable,
                        "cannot read " + folder.string() + ": " + error.message());
    }
    VELAMEN_TRY(core::make_directory(folder));
    VELAMEN_ASSIGN(core::FileLock lock, core::FileLock::acquire(folder / kLock));
    VELAMEN_TRY(make_folders(folder));
    auto state = std::make_unique<State>(State{.folder = folder, .lock = std::move(lock)});
    state->settings.name = name;
    VELAMEN_TRY(state->write(state->settings, 0));
    return std::unique_ptr<Project>(new Project(std::move(state)));
}

Result<std::unique_ptr<Project>> Project::open(const fs::path& where)
{
    VELAMEN_ASSIGN(const fs::path folder, absolute_folder(where));
    const fs::path document = folder / kDocument;
    std::error_code error;
    if (!fs::exists(document, error))
        return fail(ErrorCode::NotFound, "there is no project in " + folder.string(),
                    "choose a folder that holds a project.json");
    VELAMEN_ASSIGN(core::FileLock lock, core::FileLock::acquire(folder / kLock));

    const auto corrupt = [&](const Error& cause) {
        return fail(ErrorCode::Corrupt, document.string() + " is damaged: " + cause.message,
                    "restore the file from a backup, or create a new project on the same data; "
                    "what was spent is kept outside the project");
    };
    VELAMEN_ASSIGN(const std::string text, core::read_file(document));
    const auto json = io::Json::parse(text);
    if (!json) return corrupt(json.error());
    const auto schema = json->integer("schema");
    if (!schema) return corrupt(schema.error());
    if (*schema > kSchema)
        return fail(ErrorCode::Unsupported,
                    folder.string() + " was saved by a newer Velamen (schema "
                        + std::to_string(*schema) + ")",
                    "update Velamen");
    if (*schema < 1) return corrupt({ErrorCode::Corrupt, "its schema does not exist"});

    auto state = std::make_unique<State>(State{.folder = folder, .lock = std::move(lock)});
    const auto name = json->text("name");
    const auto source = json->text_or("source", "");
    const auto checkpoint = json->text_or("checkpoint", "");
    const auto last_run = json->integer_or("last_run", 0);
    if (!name) return corrupt(name.error());
    if (!source) return corrupt(source.error());
    if (!checkpoint) return corrupt(checkpoint.error());
    if (!last_run) return corrupt(last_run.error());
    state->settings.name = *name;
    state->settings.source = restored(*source, folder);
    state->settings.checkpoint = restored(*checkpoint, folder);
    state->last_run = *last_run;
    if (const io::Json* draft = json->find("draft")) {
        if (!draft->is_object()) return corrupt({ErrorCode::Corrupt, "\"draft\" is not an object"});
        state->settings.draft = *draft;
    }
    VELAMEN_TRY(make_folders(folder));
    return std::unique_ptr<Project>(new Project(std::move(state)));
}

const fs::path& Project::folder() const { return state_->folder; }

fs::path Project::private_folder() const { return state_->folder / "private"; }

const Settings& Project::settings() const { return state_->settings; }

Result<> Project::save(const Settings& settings)
{
    VELAMEN_TRY(state_->write(settings, state_->last_run));
    state_->settings = settings;
    return {};
}

Result<fs::path> Project::new_run()
{
    std::int64_t number = state_->last_run; // the number of a deleted run is not used again
    for (const fs::path& run : runs())
        number = std::max(number, *run_number(run));
    std::string id = std::to_string(++number);
    id.insert(0, id.size() < 4 ? 4 - id.size() : 0, '0');
    const fs::path path = state_->folder / "runs" / id;
    VELAMEN_TRY(core::make_directory(path));
    VELAMEN_TRY(state_->write(state_->settings, number));
    state_->last_run = number;
    return path;
}

std::vector<fs::path> Project::runs() const
{
    std::vector<fs::path> folders;
    std::error_code error;
    for (fs::directory_iterator it(state_->folder / "runs", error), end; !error && it != end;
         it.increment(error)) {
        std::error_code ignored;
        if (it->is_directory(ignored) && run_number(it->path())) folders.push_back(it->path());
    }
    std::ranges::sort(folders, {}, [](const fs::path& path) { return *run_number(path); });
    return folders;
}

std::vector<fs::path> recent_projects()
{
    std::vector<fs::path> folders = read_recent();
    std::erase_if(folders, [](const fs::path& folder) {
        std::error_code error;
        return !fs::exists(folder / kDocument, error);
    });
    return folders;
}

void remember_project(const fs::path& where)
{
    const auto folder = absolute_folder(where);
    if (!folder) return;
    std::vector<fs::path> folders = read_recent();
    std::erase(folders, *folder);
    folders.insert(folders.begin(), *folder);
    folders.resize(std::min(folders.size(), kRecent));
    io::Json names = io::Json::array();
    for (const fs::path& path : folders)
        names.push_back(path.generic_string());
    io::Json json = io::Json::object();
    json["schema"] = 1;
    json["projects"] = std::move(names);
    // Only a convenience: that it could not be saved is no reason to disturb anyone.
    if (core::make_directory(core::user_data_directory(), true))
        (void)core::write_file(recent_file(), json.dump(2) + "\n");
}

} // namespace velamen::project
