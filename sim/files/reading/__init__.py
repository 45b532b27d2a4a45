"""Tables as firms have them: read whole, with an account of what was understood and what was not.

Imports sim.phrases alone.

    table.py       a file or a folder as columns, and the account; `read_table` opens all the others
    files.py       bytes of a file, unpacked
    encoding.py    bytes as text
    delimited.py   text whose fields are divided by a sign
    dialect.py     which sign, which line is the header, what the quotes are
    typed.py       tables that have types of their own: Parquet, spreadsheets, JSON
    cells.py       a column as distinct texts, each looked at once
    days.py        a column of dates
    money.py       a column of amounts
    identities.py  a column of customers
"""
