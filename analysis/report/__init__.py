"""The page of one run, its slide and its workbook. Imports analysis.decisions, analysis.journeys and below."""
