"""Bad options, variables and config files; where files lie is the business of
`bad_input_places`."""

from __future__ import annotations

from tests.cli.bad_input import Case, config, option, variables

SETTINGS: tuple[Case, ...] = (
    # options
    option(
        "an option that there is none", "--colour red", "there is no option --colour", process=True
    ),
    option(
        "an option cut short", "--camp a", "there is no option --camp. Did you mean --campaign?"
    ),
    option("an option without its value", "--rate", "argument --rate: expected one argument"),
    Case("no job", ("the following arguments are required: JOB",), "run"),
    Case("no command", ("usage: duplicate-batches", "settle"), ""),
    Case(
        "a command that there is none",
        ("there is no command 'clone'. Commands: run, ",),
        "clone job.csv",
    ),
    Case(
        "a misspelled command",
        ("there is no command 'chekc'. Did you mean check?",),
        "chekc job.csv",
    ),
    Case(
        "an option of another command",
        ("--status is not an option of this command; ledger, batches take it",),
        "run job.csv --status failed",
    ),
    option(
        "a rate that is a number",
        "--rate 5",
        "--rate: '5' is not a rate; write N/s, N/min or unlimited",
    ),
    option("a rate of none", "--rate 0/s", "--rate: '0/s' is out of range"),
    option(
        "a rate beyond all",
        "--rate 10001/s",
        "--rate: '10001/s' is out of range; a rate must be above 0 and at most",
    ),
    option("a rate by the hour", "--rate 5/h", "--rate: '5/h' is not a rate"),
    option("a rate below none", "--rate=-1/s", "--rate: '-1/s' is not a rate"),
    option(
        "a limit of none",
        "--limit 0",
        "--limit: '0' is not a whole number",
        process=True,
    ),
    option("a limit in words", "--limit all", "--limit: 'all' is not a whole number"),
    option("a limit with a comma", "--limit 1,000", "--limit: '1,000' is not a whole number"),
    option("a limit without end", f"--limit {'9' * 5000}", "is not a whole number from 1 to"),
    option(
        "nothing in flight",
        "--max-in-flight 0",
        "--max-in-flight: '0' is not a whole number",
    ),
    option("no failures allowed", "--max-failed 0", "--max-failed: '0' is not a whole number"),
    option("a timeout of none", "--timeout 0", "--timeout: '0' is not a number of seconds above 0"),
    option("a timeout without end", "--timeout inf", "--timeout: 'inf' is not a number of seconds"),
    option(
        "a timeout with a unit",
        "--timeout 60s",
        "--timeout: '60s' is not a number of seconds above 0",
    ),
    option(
        "a wait below none",
        "--wait=-1",
        "--wait: '-1' is not a number of seconds from 0 to 604,800 (7 days)",
    ),
    option(
        "a duration in hours",
        "--max-duration 6h",
        "--max-duration: '6h' is not a number",
    ),
    option(
        "giving up that is no number",
        "--give-up-after nan",
        "--give-up-after: 'nan' is not a number of seconds",
    ),
    option(
        "a settling time of a year",
        "--settle-after 31536000",
        "--settle-after: '31536000' is not a number of seconds from 0 to",
    ),
    option(
        "a date as Germans write it",
        "--date 31.03.2026",
        "--date: '31.03.2026' is not a date as YYYY-MM-DD",
    ),
    option(
        "a day that is in no calendar",
        "--date 2026-02-30",
        "--date: the date 2026-02-30 does not exist",
    ),
    option("an empty date", "--date ''", "--date: '' is not a date"),
    option(
        "a log format that is none",
        "--log-format jsn",
        "--log-format: 'jsn' is not",
        "Did you mean json?",
    ),
    option(
        "a progress that is none",
        "--progress always",
        "--progress: 'always' is not auto or never",
    ),
    option(
        "a campaign that is a path up", "--campaign ../up", '--campaign: "../up" begins with a dot'
    ),
    option(
        "a campaign with a slash",
        "--campaign a/b",
        '--campaign: "/" (character 2 of "a/b") is not allowed in a camp',
    ),
    option(
        "a campaign with a backslash",
        r"--campaign 'a\b'",
        "--campaign: ",
        "is not allowed in a campaign",
    ),
    option(
        "a campaign with a placeholder",
        "--campaign 'a{n}'",
        '--campaign: "{n}" (character 2) is not a placeholder',
    ),
    option(
        "a campaign with a lone brace",
        "--campaign 'a{'",
        '--campaign: "{" (character 2) is never closed',
    ),
    option(
        "a campaign on two lines",
        "--campaign 'a\nb'",
        '--campaign: "\\n" (character 2) is a control character',
    ),
    option("a campaign of spaces", "--campaign ' '", "--campaign: is empty"),
    option(
        "a campaign that is too long",
        f"--campaign {'a' * 101}",
        "--campaign: ",
        "has 101 characters; at most 100",
    ),
    option(
        "three bad options",
        "--rate x --limit 0 --date y",
        "--rate: 'x' is not a rate",
        "--limit: '0' is not",
        "--date: 'y' is not a date",
    ),
    Case(
        "a job whose name is no campaign",
        (
            "wave #1.csv: the file's name cannot be used as the campaign",
            "name the campaign with --campaign NAME",
        ),
        "run 'wave #1.csv'",
        {"wave #1.csv": "batch_id\n"},
    ),
    # variables
    variables(
        "a bad rate in the environment",
        {"DUPLICATE_BATCHES_RATE": "5"},
        "DUPLICATE_BATCHES_RATE: '5' is not",
    ),
    variables(
        "a bad flag in the environment",
        {"DUPLICATE_BATCHES_YES": "maybe"},
        "DUPLICATE_BATCHES_YES: 'maybe' is not true or false",
    ),
    variables(
        "an empty limit in the environment",
        {"DUPLICATE_BATCHES_LIMIT": ""},
        "DUPLICATE_BATCHES_LIMIT: '' is not",
    ),
    variables(
        "a misspelt variable",
        {"DUPLICATE_BATCHES_RATES": "5/s"},
        "DUPLICATE_BATCHES_RATES: there is no such setting. Did you mean DUPLICATE_BATCHES_RATE?",
        process=True,
    ),
    variables(
        "a variable in small letters",
        {"DUPLICATE_BATCHES_rate": "5/s"},
        "DUPLICATE_BATCHES_rate: there is no",
    ),
    variables(
        "a dry run by variable",
        {"DUPLICATE_BATCHES_DRY_RUN": "1"},
        "can only be given as --dry-run",
    ),
    variables(
        "an address by the wrong variable",
        {"DUPLICATE_BATCHES_URL": "http://x"},
        "in the variable PROLIFIC_URL",
    ),
    variables(
        "a config that is not there",
        {"DUPLICATE_BATCHES_CONFIG": "no.toml"},
        "there is no file no.toml",
    ),
    # config files
    config(
        "a config of another program",
        "[tool]\nname = 1\n",
        "config.toml:1: tool: is a section or a dotted key",
    ),
    config(
        "an unknown key",
        "colour = 1\n",
        "config.toml:1: colour: there is no such setting",
        process=True,
    ),
    config(
        "a misspelt key of the config",
        "# c\nrtae = '5/s'\n",
        "config.toml:2: rtae: ",
        "Did you mean rate?",
    ),
    config(
        "a key as an option",
        "max-in-flight = 3\n",
        "config.toml:1: max-in-flight: there is no such setting. Did",
    ),
    config(
        "a key twice in the config",
        'rate = "5/s"\nrate = "6/s"\n',
        "config.toml:2: ",
        "not valid TOML: Cannot ov",
    ),
    config("text without quotes", "rate = 5/s\n", "config.toml:1: ", "not valid TOML"),
    config("a config that is YAML", "rate: 5/s\n", "config.toml:1: ", "not valid TOML"),
    config("a config that is cut off", 'rate = "5/s', "config.toml:1: ", "not valid TOML"),
    config("a config in Latin-1", b"# \xeb\n", "config.toml:1: is not UTF-8 text"),
    config(
        "a config in UTF-16", 'rate = "5/s"\n'.encode("utf-16"), "config.toml:1: is not UTF-8 text"
    ),
    config("a config with a NUL", "# a\n# \0\n", "config.toml:2: ", "not valid TOML"),
    config("a config of brackets", "rate = " + "[" * 50_000, "config.toml", "not valid TOML"),
    config(
        "a number in quotes",
        'limit = "5"\n',
        "config.toml:1: limit: must be a whole number from 1 to",
    ),
    config(
        "a fraction of a duplicate", "limit = 1.5\n", "config.toml:1: limit: must be a whole number"
    ),
    config(
        "a limit that is true", "limit = true\n", "config.toml:1: limit: must be a whole number"
    ),
    config(
        "a flag in quotes",
        'yes = "true"\n',
        "config.toml:1: yes: must be true or false, without quotes",
    ),
    config(
        "a rate without a unit",
        "rate = 5\n",
        'config.toml:1: rate: must be text in quotes, such as "5/s"',
    ),
    config(
        "seconds that are no number",
        "timeout = nan\n",
        "config.toml:1: timeout: nan is not a number of seconds above 0",
    ),
    config(
        "a moment for a day",
        "date = 2026-03-31T02:00:00\n",
        "config.toml:1: date: must be a date as YYYY-MM-DD",
    ),
    config(
        "a list of ledgers", 'ledger = ["a.csv"]\n', "config.toml:1: ledger: must be text in quotes"
    ),
    config("a table of ledgers", "[ledger]\n", "config.toml:1: ledger: is a section"),
    config(
        "a config in the config",
        'config = "b.toml"\n',
        "config.toml:1: config: can only be set with --config",
    ),
    config(
        "a campaign in the config that is a path",
        'campaign = "a/b"\n',
        "config.toml:1: campaign: ",
        "is not allowed in",
    ),
    config(
        "two bad keys",
        "limit = 0\nrate = 5\n",
        "config.toml:1: limit: 0 is not",
        "config.toml:2: rate: must be",
    ),
    Case(
        "a bad config of the user's own",
        ("home/.config/duplicate-batches/config.toml:1: colour: there is no such setting",),
        files={"home/.config/duplicate-batches/config.toml": "colour = 1\n"},
    ),
    Case(
        "a bad value that a good option overrides",
        ("config.toml:1: rate: must be text in quotes",),
        "run job.csv --rate 5/s",
        {"config.toml": "rate = 5\n"},
    ),
)
