"""From a folder of CTs to region volumes, anatomy maps and a data list split by patient."""
