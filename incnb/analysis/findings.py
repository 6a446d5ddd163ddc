"""What the words of a cell or a function already tell: its reads cannot be bounded, or it would do something outside.

A finding of kind `unsafe` means that analysis cannot say what is read (`exec`, `globals()`, frames). `effect` means
that something outside the process would be touched; `untracked` a dependency of a kind that is not followed; `looks`
that paths are looked at without being opened, which is seen at run time where Python can tell; `cwd` that the working
directory is read; `native` that files may be opened in native code, which is seen where folders can be watched;
`strings` that variables may be read by names in strings, which are followed, and seen where a library asks for a frame.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Literal

from incnb.analysis.definitions import is_rerun_magic
from incnb.fingerprint.code import References

FindingKind = Literal["unsafe", "effect", "untracked", "looks", "cwd", "native", "strings"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason not to record: what kind, what it is in the user's words, and the line (0 = unknown).

    `notices`: whoever does this could tell that objects are held while the cell is observed.
    """

    kind: FindingKind
    what: str
    line: int = 0
    permit: str = ""  # the word for `--allow` that lifts it
    notices: bool = False


#: What draws from a generator of polars' own unless it is given a seed.
SAMPLING = frozenset({"sample", "shuffle", "sample_n", "sample_fraction"})
UNSAFE_NAMES = frozenset(
    [
        "exec",
        "eval",
        "globals",
        "locals",
        "compile",
        "__import__",
        "breakpoint",
        "In",
        "Out",
        "_ih",
        "_oh",
        "_i",
        "_ii",
        "_iii",
        "__builtins__",
        "get_ipython",
        "__main__",
        "copyright",
        "exit",
        "quit",
    ]
)
UNSAFE_ATTRIBUTES = frozenset(
    [
        "_getframe",
        "currentframe",
        "user_ns",
        "__globals__",
        "f_globals",
        "f_locals",
        "f_back",
        "gi_frame",
        "cr_frame",
        "import_module",
        "reload",
        "get_objects",
        "get_referrers",
        "__subclasses__",
        "run_cell",
        "run_line_magic",
        "run_cell_magic",
        "user_module",
        "cache_info",
        "cache_clear",
        "gi_code",
        "cr_code",
        "ag_code",
        "__closure__",
        "cell_contents",
        "run_path",
        "run_module",
        "load_module",
        "exec_module",
        "getsource",
        "getclosurevars",
        "re_evaluate",
    ]
)
#: Methods and functions that look up variables by the names in a string.
STRING_WORDS = frozenset(
    """
    query eval evaluate sql ols glm wls gls logit probit poisson mixedlm from_formula dmatrix dmatrices model_matrix
    SQLContext bmat
    """.split()  # noqa: SIM905  one a line would be a page
)
#: Libraries that look up variables by the names in formulas, expressions and queries.
STRING_LIBRARIES = frozenset({"patsy", "formulaic", "statsmodels", "numexpr", "duckdb"})
NAME_READERS = STRING_WORDS | STRING_LIBRARIES
#: Names in the notebook that are IPython's.
HIDDEN_NAMES = re.compile(r"^(_+|_i+|_i?\d+|_[iod]h|In|Out|get_ipython|exit|quit|open|__\w+__)$")
EFFECT_NAMES = {"input": "input", "raw_input": "input", "getpass": "input"}
CLOCK_ATTRIBUTES = frozenset({"now", "utcnow", "today"})
#: What ends in native code that opens files; it is seen by the folders they are in.
NATIVE_READERS = frozenset(
    """
    read_parquet read_feather read_orc read_hdf read_ipc read_ipc_stream read_avro read_excel scan_parquet scan_csv
    scan_ipc scan_ndjson scan_delta read_delta open_dataset open_mfdataset open_zarr load_dataset imread ParquetFile
    read_table read_schema read_metadata ParquetDataset memory_map input_stream read_ndjson read_file read_dataframe
    """.split()  # noqa: SIM905  one a line would be a page
)
NATIVE_WRITERS = frozenset(
    """
    to_parquet to_feather to_orc to_hdf to_netcdf to_zarr sink_parquet sink_csv sink_ipc sink_ndjson write_parquet
    write_csv write_ipc write_avro write_ndjson write_json write_delta write_excel write_dataset write_to_dataset
    write_feather write_table write_file imwrite write_image ParquetWriter output_stream File savez
    """.split()  # noqa: SIM905
)
UNTRACKED_ATTRIBUTES = frozenset(
    "read_sql read_sql_query read_sql_table to_sql read_database write_database memmap open_memmap".split()  # noqa: SIM905
)
_NOTICING = frozenset({"_getframe", "currentframe", "f_back", "get_objects", "get_referrers", "getclosurevars"})
_TRANSPARENT_MAGICS = frozenset({"time", "capture"})


LOOKING_ATTRIBUTES = frozenset(
    """
    exists lexists isfile isdir islink ismount getsize getmtime getatime getctime samefile stat lstat readlink
    is_file is_dir is_symlink is_mount realpath
    """.split()  # noqa: SIM905  one a line would be a page
)
CWD_ATTRIBUTES = frozenset({"getcwd", "getcwdb", "cwd", "abspath", "realpath", "absolute", "resolve", "relpath"})
#: Lines move with comments, which are nothing that anything else depends on.
LINE_ATTRIBUTES = frozenset({"co_firstlineno", "co_lines", "co_positions", "co_linetable", "co_lnotab", "tb_lineno"})
NATIVE_LOOKS = frozenset({"access", "disk_usage", "which", "get_file_info"})


def find(tree: ast.AST) -> list[Finding]:
    """The findings in the source of a cell."""
    found: list[Finding] = []
    allowed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found += _call(node, allowed)
    for node in ast.walk(tree):
        if id(node) in allowed:
            continue
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found += name_findings(node.id, line)
        elif isinstance(node, ast.Attribute):
            found += attribute_findings(node.attr, line)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found += name_findings(alias.name if isinstance(node, ast.Import) else "", line)
    return list(dict.fromkeys(found))


def _call(node: ast.Call, allowed: set[int]) -> list[Finding]:
    function = node.func
    if not node.args and not node.keywords and getattr(function, "attr", getattr(function, "id", "")) == "Random":
        return [Finding("effect", "it draws fresh randomness (Random without a seed)", node.lineno, "random")]
    if isinstance(function, ast.Name) and function.id in ("vars", "dir") and not node.args:
        return [Finding("unsafe", f"{function.id}()", node.lineno)]
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call)):
        return []
    inner = function.value.func
    if not (isinstance(inner, ast.Name) and inner.id == "get_ipython"):
        return []
    first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else "?"
    text = first if isinstance(first, str) else "?"
    if function.attr == "run_line_magic" and is_rerun_magic(node):
        allowed |= {id(function), id(inner)}
        return []
    allowed |= {id(function), id(inner)}
    if function.attr in ("system", "getoutput", "getoutputs"):
        return [Finding("effect", f"it ran a subprocess (!{text[:40]})", node.lineno, "subprocess")]
    sign = "%%" if function.attr == "run_cell_magic" else "%"
    return [Finding("unsafe", f"{sign}{text}", node.lineno)]


def name_findings(name: str, line: int = 0) -> list[Finding]:
    """What mentioning a global name tells."""
    if name in UNSAFE_NAMES:
        return [Finding("unsafe", f"{name}", line)]
    if name == "help":
        return [Finding("untracked", "help", line)]
    if name in EFFECT_NAMES:
        return [Finding("effect", f"it asks for input ({name})", line, "input")]
    return []


def attribute_findings(name: str, line: int = 0) -> list[Finding]:
    """What mentioning an attribute, of whatever object, tells."""
    if name in UNSAFE_ATTRIBUTES:
        return [Finding("unsafe", f".{name}", line, "", name in _NOTICING)]
    if name in STRING_WORDS:
        return [Finding("strings", f".{name}", line)]
    if name in CLOCK_ATTRIBUTES:
        return [Finding("effect", f"it reads the clock (.{name})", line, "clock")]
    if name in UNTRACKED_ATTRIBUTES:
        return [Finding("untracked", f"what native code reads or writes (.{name})", line)]
    if name in NATIVE_READERS or name in NATIVE_WRITERS:
        return [Finding("native", f".{name}", line)]
    if name in NATIVE_LOOKS:
        return [Finding("untracked", f"files it looks at (.{name})", line)]
    if name in LOOKING_ATTRIBUTES or name in CWD_ATTRIBUTES:
        out = [Finding("cwd", f".{name}", line)] if name in CWD_ATTRIBUTES else []
        return out + ([Finding("looks", f".{name}", line)] if name in LOOKING_ATTRIBUTES else [])
    if name in LINE_ATTRIBUTES:
        return [Finding("untracked", f"where code stands (.{name})", line)]
    if name in ("__doc__", "getdoc"):
        return [Finding("untracked", f"docstrings (.{name})", line)]
    if name in EFFECT_NAMES:
        return [Finding("effect", f"it asks for input (.{name})", line, "input")]
    return []


def function_findings(found: References) -> list[Finding]:
    """What the body of a reached function tells."""
    out: list[Finding] = []
    for read in found.reads:
        out += name_findings(read.name)
    for name in sorted(found.attributes):
        out += attribute_findings(name)
    return out
